"""The JSON files that transformers and optimum write beside a model: what they say of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.detection.layouts import InputStyle, Triple

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"


@dataclass(frozen=True)
class ModelConfig:
    """The content of the files beside a model; empty where they are absent."""

    config: Mapping[str, Any]
    preprocessor: Mapping[str, Any]

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width that pictures are resized to, if the files say so."""
        size = self.preprocessor.get("size")
        if not isinstance(size, dict):
            return None
        height, width = size.get("height"), size.get("width")
        if isinstance(height, int) and isinstance(width, int):
            return height, width
        shortest = size.get("shortest_edge")
        return (shortest, shortest) if isinstance(shortest, int) else None

    def style(self, default: InputStyle) -> InputStyle:
        """Return the style with the range of values that the files state, if they state one."""
        stated = self.preprocessor
        if "do_normalize" not in stated and "do_rescale" not in stated:
            return default
        scale = float(stated.get("rescale_factor") or default.scale)
        unscaled = replace(default, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        style = replace(unscaled, scale=scale if stated.get("do_rescale", True) else 1.0)
        mean, std = _triple(stated.get("image_mean")), _triple(stated.get("image_std"))
        if not stated.get("do_normalize", False) or mean is None or std is None:
            return style
        return replace(style, mean=mean, std=std)


def config_files(model_path: Path) -> list[Path]:
    """Return the paths of config.json and preprocessor_config.json; a file may be absent."""
    return [model_path.parent / CONFIG, model_path.parent / PREPROCESSOR]


def read_model_config(model_path: Path) -> ModelConfig:
    """Read the files beside a model.

    Raises:
        ModelError: a file is there and is no JSON.
    """
    return ModelConfig(*(_read(file) for file in config_files(model_path)))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {error}: expected JSON, as transformers writes it") from error
    return content if isinstance(content, dict) else {}


def _triple(value: object) -> Triple | None:
    if not isinstance(value, list) or not all(isinstance(n, int | float) for n in value):
        return None
    return (value[0], value[1], value[2]) if len(value) == 3 else None
