"""The folder of a training run: settings, checkpoint, figures, and the trained model.

    settings.json            what decides the result; a run with others is not continued
    checkpoint.safetensors   tensors, and the number of steps done as metadata
    metrics.jsonl            a line for every few steps
    metrics.png              the same as a plot
    prepared/                the data as the network reads it: decoded once
    model/                   the result: weights, config.json, card.md

Files are written beside their place and then renamed: a kill leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError

if TYPE_CHECKING:
    import torch

_CHECKPOINT = "checkpoint.safetensors"
#: Settings that don't decide the result; of files it is the content that does.
_FREE = ("checkpoint_seconds", "data", "test", "annotations", "images")


class RunFolder:
    """A run's files; created if absent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / "model"
        """Where the result is written."""

    def begin(self, task: str, settings: Mapping[str, Any], data: str) -> None:
        """Store what decides the result, or compare it with the run that is continued.

        Args:
            task: its name.
            settings: of the task.
            data: digest of the training data.

        Raises:
            ModelError: the folder holds a run with other settings or data, or something else.
        """
        kept = {key: value for key, value in settings.items() if key not in _FREE}
        requested = json.loads(json.dumps({"task": task, "settings": kept, "data": data}))
        path = self.path / "settings.json"
        if path.is_file():
            _require_same(path, requested)
            return
        if self.path.is_dir() and any(self.path.iterdir()):
            raise ModelError(f"{self.path} is not empty and holds no run: name another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(requested, indent=2) + "\n")

    def save_checkpoint(self, step: int, tensors: Mapping[str, torch.Tensor]) -> None:
        """Store tensors after `step` steps."""
        from safetensors.torch import save_file

        part = self.path / f"{_CHECKPOINT}.part"
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(whole, part, metadata={"step": str(step)})
        os.replace(part, self.path / _CHECKPOINT)

    def load_checkpoint(self) -> tuple[int, dict[str, torch.Tensor]]:
        """Return the number of steps done, and the tensors; 0 and none if nothing was stored.

        Raises:
            ModelError: the file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = self.path / _CHECKPOINT
        if not path.is_file():
            return 0, {}
        try:
            with safe_open(path, framework="pt") as file:
                return int(file.metadata()["step"]), {k: file.get_tensor(k) for k in file.keys()}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path}: can't be read: {error}: remove it to start the run again"
            ) from error

    def record(self, step: int, **figures: float) -> None:
        """Append a line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **figures}) + "\n")

    def forget_after(self, step: int) -> None:
        """Remove the lines of metrics.jsonl of later steps: they are about to be done again."""
        kept = [line for line in self.metrics() if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_text(self.path / "metrics.jsonl", text)

    def metrics(self) -> list[dict[str, float]]:
        """Return the lines of metrics.jsonl; one that a kill cut short is left out."""
        path, lines = self.path / "metrics.jsonl", []
        for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines

    def prepared(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        fill: Callable[[npt.NDArray[Any]], None],
    ) -> npt.NDArray[Any]:
        """Return an array that is filled once, and mapped from its file from then on.

        Args:
            name: of the file.
            shape: of the array.
            dtype: of the array.
            fill: writes the content.
        """
        path = self.path / "prepared" / f"{name}.npy"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            array = np.lib.format.open_memmap(part, "w+", np.dtype(dtype), shape)
            fill(array)
            array.flush()
            del array
            os.replace(part, path)
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped


def write_text(path: Path, text: str) -> None:
    """Write a file in one move: a kill leaves the old one or the new one."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def _require_same(path: Path, requested: dict[str, Any]) -> None:
    try:
        stored = json.loads(path.read_text("utf-8"))
        changed = [key for key in ("task", "data") if stored[key] != requested[key]]
        old, new = stored["settings"], requested["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: not the settings of a run: name another --out") from error
    changed += sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        raise ModelError(
            f"{path.parent} holds a run with other settings ({', '.join(changed)}): remove it, "
            "or name another --out"
        )
