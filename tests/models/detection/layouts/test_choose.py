"""A layout is found only if exactly one fits; everything else is an error that lists candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.detection.layouts import Facts, find_layout

SIDE = 640
CELLS = 8400


def facts(*outputs: Any, names: tuple[str, ...] = (), **known: Any) -> Facts:
    arrays = [np.asarray(output, np.float32) for output in outputs]
    names = names or tuple(f"output{i}" for i in range(len(arrays)))
    return Facts(names=names, samples=[arrays], height=SIDE, width=SIDE, **known)


def probabilities(*shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(0).uniform(0, 0.9, shape)


def pixels(*shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(1).uniform(1, SIDE, shape)


def yolov8(classes: int = 80) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([pixels(1, 4, CELLS), probabilities(1, classes, CELLS)], axis=1)


def yolov5(rows: int = 3 * CELLS) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([pixels(1, rows, 4), probabilities(1, rows, 81)], axis=2)


def candidates(known: Facts, name: str | None = None) -> str:
    with pytest.raises(ValueError, match="layout") as caught:
        find_layout(name, known)
    return str(caught.value)


def test_a_shape_with_the_values_of_another_layout_is_an_error_with_candidates() -> None:
    # The shape of YOLOv8 for 80 classes, but with logits instead of probabilities.
    logits = np.concatenate([pixels(1, 4, CELLS), -9 * probabilities(1, 80, CELLS)], axis=1)
    message = candidates(facts(logits))
    assert "output0 [1, 84, 8400]" in message
    assert "set the option layout to" in message
    assert "yolov8 (YOLOv8, YOLOv9, YOLO11, YOLO12)" in message


def test_a_square_output_can_be_read_by_rows_or_columns() -> None:
    message = candidates(facts(pixels(1, 84, 84)))
    assert "yolov5" in message
    assert "yolov8" in message


def test_an_output_of_zeros_shows_nothing() -> None:
    message = candidates(facts(np.zeros((1, CELLS, 85))))
    assert "yolov5" in message
    assert "yolox" in message


def test_queries_without_clear_logits_may_be_detr_or_rt_detr() -> None:
    known = facts(np.zeros((1, 100, 81)), probabilities(1, 100, 4), names=("logits", "pred_boxes"))
    message = candidates(known)
    assert "rtdetr (" in message
    assert "detr (" in message
    assert "yolo" not in message


def test_six_columns_in_rows_of_a_grid_are_not_taken_for_chosen_boxes() -> None:
    # One class: box, objectness, class; or corners, score, class, with nothing found.
    message = candidates(facts(np.zeros((1, 3 * CELLS, 6))))
    assert "yolov5" in message
    assert "yolo26" in message


@pytest.mark.parametrize("shape", [(1, 21, 160, 160), (1, 3, 4, 5, 6), (5,)])
def test_shapes_of_no_layout_are_refused_with_all_names(shape: tuple[int, ...]) -> None:
    message = candidates(facts(probabilities(*shape)))
    assert "fit no known layout (end_to_end, fastestdet, yolov5, yolov8" in message
    assert "docs/bring-your-own.md" in message


def test_a_stated_layout_is_taken_if_the_shape_allows_it() -> None:
    assert find_layout("yolov5", facts(np.zeros((1, CELLS, 85)))).layout.name == "yolov5"
    assert "can't be of layout fastestdet" in candidates(facts(yolov8()), "fastestdet")
    assert "no layout 'yolo': expected one of end_to_end" in candidates(facts(yolov8()), "yolo")


@pytest.mark.parametrize(("name", "layout"), [("yolo11", "yolov8"), ("yolov10", "yolo26")])
def test_names_of_versions_are_names_of_layouts(name: str, layout: str) -> None:
    output = yolov8() if layout == "yolov8" else np.zeros((1, 300, 6))
    assert find_layout(name, facts(output)).layout.name == layout


def test_class_names_must_agree() -> None:
    assert find_layout(None, facts(yolov8(), num_labels=80)).layout.name == "yolov8"
    message = candidates(facts(yolov8(), num_labels=3))
    assert "output0 [1, 84, 8400], for 3 class names, are those of no known layout" in message
    assert "yolov8" in message


def test_rows_of_a_larger_grid_are_yolov5_by_their_pixels() -> None:
    assert find_layout(None, facts(yolov5(rows=12345))).layout.name == "yolov5"


def test_config_json_tells_detr_from_rt_detr() -> None:
    outputs = np.zeros((1, 100, 4)), probabilities(1, 100, 4)
    for model_type, layout in (("detr", "detr"), ("rt_detr_v2", "rtdetr"), ("d_fine", "rtdetr")):
        config = {"model_type": model_type}
        known = facts(*outputs, names=("logits", "pred_boxes"), config=config)
        assert find_layout(None, known).layout.name == layout


def test_single_outputs_of_no_sample_values_that_are_finite_show_nothing() -> None:
    assert "yolov8" in candidates(facts(np.full((1, 84, CELLS), np.nan)))


@pytest.mark.parametrize(
    ("output", "candidate"),
    [
        (np.zeros((1, 300, 6)), "yolo26"),  # the order of score and class is not visible
        (np.zeros((0, 7)), "yolo_nas_flat"),  # so it is here; YOLOv7 writes the class first
        (np.zeros((1, 85, 40, 40)), "fastestdet"),
    ],
)
def test_nothing_found_shows_nothing_without_a_name(output: Any, candidate: str) -> None:
    message = candidates(facts(output))
    assert "set the option layout to" in message
    assert f"{candidate} (" in message


def test_zeros_in_two_outputs_are_boxes_only_by_name() -> None:
    zeros = np.zeros((1, 50, 4)), np.zeros((1, 50, 3))
    assert "end_to_end" in candidates(facts(*zeros))
    known = facts(*zeros, names=("boxes", "scores"))
    assert find_layout(None, known).layout.name == "end_to_end"


def test_nothing_found_is_of_the_layout_that_metadata_or_names_tell() -> None:
    known = facts(np.zeros((1, 300, 6)), metadata={"task": "detect"})
    assert find_layout(None, known).layout.name == "yolo26"
    known = facts(np.zeros((0, 7)), names=("graph2_flat_predictions",))
    assert find_layout(None, known).layout.name == "yolo_nas_flat"


def test_the_order_of_yolov7_after_suppression_is_not_taken_for_that_of_yolo_nas() -> None:
    row = [0, 10, 20, 30, 40, 2, 0.75]  # picture, box, class, score
    assert "yolo_nas_flat" in candidates(facts(np.array([row, row])))
