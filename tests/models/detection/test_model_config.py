"""What preprocessor_config.json beside a model says of its input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.detection.layouts import InputStyle
from models.detection.model_config import ModelConfig, read_model_config


def stated(**preprocessor: Any) -> ModelConfig:
    return ModelConfig({}, preprocessor)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"height": 480, "width": 640}, (480, 640)),
        ({"shortest_edge": 800, "longest_edge": 1333}, (800, 800)),
        ({"longest_edge": 1333}, None),
        (640, None),
    ],
)
def test_the_size(size: Any, expected: Any) -> None:
    assert stated(size=size).input_size == expected


def test_a_file_that_states_nothing_leaves_the_layouts_style() -> None:
    default = InputStyle(mean=(1, 2, 3))
    assert stated(size=640).style(default) == default


def test_stated_scale_mean_and_deviation_replace_those_of_the_layout() -> None:
    triple = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    default = InputStyle(mean=(1, 2, 3), is_bgr=True)
    style = stated(do_normalize=True, rescale_factor=0.5, **triple).style(default)
    assert (style.scale, style.mean, style.std) == (0.5, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert style.is_bgr
    plain = stated(do_normalize=False, do_rescale=False, **triple).style(default)
    assert (plain.scale, plain.mean, plain.std) == (1, (0, 0, 0), (1, 1, 1))


def test_absent_files_and_json_that_is_no_object_state_nothing(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps([1]))
    config = read_model_config(tmp_path / "model.onnx")
    assert config == ModelConfig({}, {})
