"""Which inputs of an ONNX file are those of a detector, and what they are fed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.detection.onnx_inputs import extra_values, read_inputs

FLOAT, BYTES, INT64 = "tensor(float)", "tensor(uint8)", "tensor(int64)"


def read(*nodes: tuple[str, str, list[Any]]) -> Any:
    inputs = [SimpleNamespace(name=name, type=kind, shape=shape) for name, kind, shape in nodes]
    return read_inputs(SimpleNamespace(get_inputs=lambda: inputs), Path("model.onnx"))


@pytest.mark.parametrize(
    ("shape", "batch", "height", "width", "is_last"),
    [
        (["batch", 3, 64, 96], None, 64, 96, False),
        ([1, 3, "h", "w"], 1, None, None, False),
        (["b", "num_channels", "h", "w"], None, None, None, False),
        ([2, 64, 96, 3], 2, 64, 96, True),
        ([3, 64, 96], 1, 64, 96, False),
    ],
)
def test_pictures(shape: list[Any], batch: Any, height: Any, width: Any, is_last: bool) -> None:
    picture, extras = read(("x", FLOAT, shape))
    assert (picture.batch_size, picture.height, picture.width) == (batch, height, width)
    assert picture.is_channels_last == is_last
    assert extras == []


def test_pixels_are_converted_to_the_files_order_and_type() -> None:
    picture, _ = read(("x", BYTES, ["b", 4, 6, 3]))
    pixels = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6) + np.float32(0.4)
    converted = picture.convert(pixels)
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, np.rint(pixels).transpose(0, 2, 3, 1))
    assert picture.size_of(converted.shape) == (2, 4, 6)


def test_sizes_and_masks_say_that_all_of_the_input_is_picture() -> None:
    _, extras = read(
        ("x", FLOAT, ["b", 3, 4, 6]),
        ("orig_target_sizes", INT64, ["b", 2]),
        ("pixel_mask", INT64, ["b", "h", "w"]),
    )
    sizes, mask = (extra_values(extra, (2, 4, 6)) for extra in extras)
    assert sizes.tolist() == [[6, 4], [6, 4]]
    assert mask.shape == (2, 4, 6)
    assert mask.all()


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [("x", "tensor(string)", ["b", 3, 4, 6])],
        [("x", FLOAT, ["b", 4])],
        [("x", FLOAT, ["b", 1, 4, 6])],
        [("x", FLOAT, ["b", 3, 4, 6]), ("y", FLOAT, ["b", 3, 4, 6])],
        [("x", FLOAT, ["b", 3, 4, 6]), ("threshold", FLOAT, [])],
        [("x", FLOAT, ["b", 3, 4, 6]), ("orig_target_sizes", INT64, ["b", 2, 2])],
    ],
)
def test_other_inputs_are_refused_and_listed(nodes: list[tuple[str, str, list[Any]]]) -> None:
    with pytest.raises(ModelError, match=r"a detector takes one float \[batch, 3, height, width\]"):
        read(*nodes)
