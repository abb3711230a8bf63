"""What a run has made: the model's folder, with its config and its card."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from models.content_hash import folder_content_version
from models.evaluation import Measure
from models.training.run_folder import RunFolder, write_text


@dataclass(frozen=True)
class Trained:
    """The result of a task, for the card."""

    model: str
    """The registered model that serves it."""
    what: str
    """One sentence: the network and its source."""
    data: str
    """What it was trained on, and how much."""
    measures: Sequence[Measure]
    """On data that was not trained on; empty if there was none."""
    use: str
    """How a pipeline file names it: YAML, with FOLDER for the folder."""
    limits: Sequence[str] = field(default_factory=tuple)


def write_config(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "config.json", json.dumps(fields, indent=2, ensure_ascii=False) + "\n")


def serving(model: str, files: Mapping[str, str], **options: Any) -> dict[str, Any]:
    """Return the part of config.json that makes `model: ./FOLDER` work; see `model_folder.py`."""
    return {"penstock": {"model": model, "files": dict(files), "options": options}}


def write_card(
    run: RunFolder, task: str, settings: Mapping[str, Any], trained: Trained, command: str
) -> None:
    """Write card.md and, for programs, quality.json."""
    quality = msgspec.json.format(msgspec.json.encode(list(trained.measures)))
    write_text(run.model / "quality.json", quality.decode() + "\n")
    steps = run.metrics()
    lines = [
        f"# Model card: {task}, {datetime.now(UTC):%Y-%m-%d}",
        "",
        trained.what,
        "",
        "| | |",
        "| --- | --- |",
        f"| served by | `{trained.model}` |",
        f"| version | `{folder_content_version(run.model)}`, a hash of all other files |",
        f"| data | {trained.data} |",
        f"| seed | {settings['seed']} |",
        *([f"| steps | {int(steps[-1]['step'])} |"] if steps else []),
        f"| made with | penstock {version('penstock')}, Python {platform.python_version()}, "
        f"torch {version('torch')}, on {platform.machine()} |",
        "| licence | not stated: write here what the licence of your data allows |",
        "",
        "## Training",
        "",
        f"    {command}",
        "",
        "with the settings",
        "",
        *(f"    {key}: {json.dumps(value)}" for key, value in settings.items()),
        "",
        "## Quality",
        "",
        *_quality_lines(trained.measures),
        "",
        "## Use",
        "",
        *(f"    {line}" for line in trained.use.splitlines()),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in trained.limits),
        "- It knows what is like its training data. Measure it on your own before you rely on it.",
        "",
    ]
    write_text(run.model / "card.md", "\n".join(lines))


def _quality_lines(measures: Sequence[Measure]) -> list[str]:
    if not measures:
        return ["Not measured: nothing was held out (`held_out: 0`, no `test`)."]
    return [
        "Measured with the files of this folder, as a worker would answer, on data that was not "
        "trained on.",
        "",
        "| data | figure | value |",
        "| --- | --- | --- |",
        *(f"| {m.dataset} | {m.metric} | {m.value:.4f} |" for m in measures),
    ]
