"""The tasks of `penstock train`, and what all of them do around the training itself."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from models.base import ModelError
from models.training.plot import draw_metrics
from models.training.result import Trained, write_card
from models.training.run_folder import RunFolder
from models.training.settings import Progress, TrainingSettings, no_progress

#: Each is a module of this package with `Settings` and `train`.
TASKS = (
    "detector",
    "classifier",
    "segmenter",
    "intent",
    "entities",
    "encoder",
    "recognizer",
    "transliterator",
    "synthesizer",
)
#: Settings that are files or folders: relative ones are relative to the configuration.
PATHS = ("data", "test", "annotations", "images")
_FOLDER_PATHS = ("encoder", "teacher")


def settings_type(task: str) -> type[TrainingSettings]:
    """Return the settings of a task.

    Raises:
        ModelError: no such task.
    """
    if task not in TASKS:
        raise ModelError(f"no task {task!r}: expected one of {', '.join(TASKS)}")
    found: type[TrainingSettings] = importlib.import_module(f"models.training.{task}").Settings
    return found


def read_settings(task: str, values: dict[str, Any], folder: Path) -> TrainingSettings:
    """Return the settings of a task from a configuration.

    Args:
        task: its name.
        values: by name; the others have their defaults.
        folder: where relative paths start.

    Raises:
        ModelError: an unknown name, or a value that is not allowed.
    """
    kind = settings_type(task)
    found = dict(values)
    for name in PATHS:
        if isinstance(found.get(name), str) and found[name]:
            found[name] = str(folder / found[name])
    for name in _FOLDER_PATHS:
        if isinstance(found.get(name), str) and (folder / found[name]).is_dir():
            found[name] = str(folder / found[name])
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__)
        raise ModelError(f"{task}: {error} (its settings: {known})") from error


def describe_settings(task: str) -> str:
    """Return the defaults of a task as YAML, each with a comment."""
    kind = settings_type(task)
    hints = get_type_hints(kind, include_extras=True)
    lines = []
    for field in msgspec.structs.fields(kind):
        metas = getattr(hints[field.name], "__metadata__", ())
        description = next((m.description for m in metas if m.description), "")
        value = msgspec.json.encode(field.default).decode()  # JSON values are YAML
        lines += [f"# {description}", f"{field.name}: {value}"]
    return "\n".join(lines) + "\n"


def train_task(
    task: str,
    settings: TrainingSettings,
    out: Path,
    command: str,
    progress: Progress = no_progress,
) -> tuple[Trained, str]:
    """Train, or go on with the run in a folder.

    Args:
        task: one of `TASKS`.
        settings: of `read_settings`.
        out: the run's folder.
        command: for the card.
        progress: called often.

    Returns:
        What was made, and a remark for the user, or "".

    Raises:
        ModelError: the data can't be used, or the folder has another run.
    """
    module = importlib.import_module(f"models.training.{task}")
    _set_threads(settings.threads)
    run = RunFolder(out)
    trained: Trained = module.train(settings, run, progress)
    shown = msgspec.to_builtins(settings)
    # A card goes where the model goes: names of files, without the places on this machine.
    for name in (*PATHS, *_FOLDER_PATHS):
        if shown.get(name):
            shown[name] = Path(shown[name]).name
    write_card(run, task, shown, trained, command)
    return trained, draw_metrics(run)


def _set_threads(threads: int) -> None:
    """Set torch's threads; sums in another order give other last digits."""
    import torch

    torch.set_num_threads(threads or torch.get_num_threads())
