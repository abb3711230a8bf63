"""The JSON files that transformers and optimum write beside a model: what they say of its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.detection.layouts import InputStyle

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
        is_scaled, is_normalized = stated.get("do_rescale", True), stated.get("do_normalize", False)
        factor = float(stated.get("rescale_factor") or default.scale)
        mean, std = stated.get("image_mean"), stated.get("image_std")
        is_normalized = is_normalized and _is_triple(mean) and _is_triple(std)
        return replace(
            default,
            scale=factor if is_scaled else 1.0,
            mean=tuple(mean) if is_normalized else (0.0, 0.0, 0.0),
            std=tuple(std) if is_normalized else (1.0, 1.0, 1.0),
        )


def read_model_config(model_path: Path) -> ModelConfig:
    """Read the files beside a model.

    Raises:
        ModelError: a file is there and is no JSON object.
    """
    return ModelConfig(*(_read(model_path.parent / name) for name in (CONFIG, PREPROCESSOR)))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: {error}: expected JSON, as transformers writes it") from error
    return content if isinstance(content, dict) else {}


def _is_triple(value: object) -> bool:
    is_list = isinstance(value, list) and len(value) == 3
    return is_list and all(isinstance(n, int | float) for n in value)
