"""Each layout reads boxes and scores from raw outputs made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection.layouts import LAYOUTS, find_layout


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ([[None, 1260, 4], [None, 1260, 5]], "end_to_end"),
        ([[1, 85, 22, 22]], "fastestdet"),
        ([[1, 84, 8400]], "yolov8"),
        ([[None, 25200, 85]], "yolov5"),
    ],
)
def test_a_layout_is_recognized_by_its_shapes(shapes: list[list[int | None]], name: str) -> None:
    layout = find_layout(None, shapes)
    assert layout.name == name
    assert layout.num_classes(shapes) == (5 if name == "end_to_end" else 80)


@pytest.mark.parametrize("shapes", [[[None, None, None]], [[1, 1000]], [[1, 9, 4], [1, 9]], []])
def test_unknown_shapes_are_an_error(shapes: list[list[int | None]]) -> None:
    with pytest.raises(ValueError, match="set layout to end_to_end, fastestdet, yolov8, yolov5"):
        find_layout(None, shapes)


def test_a_stated_layout_must_fit() -> None:
    assert find_layout("yolov5", [[None, None, None]]).name == "yolov5"
    with pytest.raises(ValueError, match="can't be of layout fastestdet"):
        find_layout("fastestdet", [[1, 84, 8400]])
    with pytest.raises(ValueError, match="no layout 'yolo'"):
        find_layout("yolo", [[1, 84, 8400]])


def test_fastestdet_reads_cells() -> None:
    grid = np.zeros((1, 7, 2, 4), np.float32)
    # Row 1, column 2: sure to 0.5, center moved by tanh(0), half the picture wide and high.
    grid[0, :, 1, 2] = [0.5, 0.0, 0.0, 0.0, 0.0, 0.25, 0.75]
    boxes, scores = LAYOUTS["fastestdet"].decode([grid], 100, 200)
    assert boxes.shape == (1, 8, 4)
    np.testing.assert_allclose(boxes[0, 6], [100 - 50, 50 - 25, 100 + 50, 50 + 25])
    np.testing.assert_allclose(scores[0, 6], 0.5**0.6 * np.array([0.25, 0.75]) ** 0.4, rtol=1e-6)
    assert not scores[0, :6].any()


def test_yolov8_reads_columns() -> None:
    output = np.zeros((1, 6, 3), np.float32)
    output[0, :, 1] = [10, 20, 4, 8, 0.3, 0.6]
    boxes, scores = LAYOUTS["yolov8"].decode([output], 64, 64)
    np.testing.assert_allclose(boxes[0, 1], [8, 16, 12, 24])
    np.testing.assert_allclose(scores[0, 1], [0.3, 0.6])


def test_yolov5_multiplies_by_objectness() -> None:
    output = np.array([[[10, 20, 4, 8, 0.5, 0.4, 0.8]]], np.float32)
    boxes, scores = LAYOUTS["yolov5"].decode([output], 64, 64)
    np.testing.assert_allclose(boxes[0, 0], [8, 16, 12, 24])
    np.testing.assert_allclose(scores[0, 0], [0.2, 0.4])
