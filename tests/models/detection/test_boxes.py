"""Box arithmetic, compared with a simple, slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection.boxes import (
    Floats,
    Ints,
    NetworkOutputError,
    Selected,
    choose,
    clip_boxes,
    iou_matrix,
    nms,
)

# Quarters are exact in float32, so the reference and the arrays agree to the last bit of overlap.
_side = st.integers(0, 80).map(lambda n: n / 4)
_box = st.tuples(_side, _side, _side, _side).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
_item = st.tuples(_box, st.integers(0, 20).map(lambda n: n / 20), st.integers(0, 2))
Box = tuple[float, float, float, float]


def slow_iou(a: Box, b: Box) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - wide * high
    return wide * high / union if union > 0 else 0.0


def slow_nms(items: list[tuple[Box, float, int]], threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(items)), key=lambda i: (-items[i][1], i)):
        box, _, label = items[i]
        same = [items[k][0] for k in kept if items[k][2] == label]
        if all(np.float32(slow_iou(box, other)) <= np.float32(threshold) for other in same):
            kept.append(i)
    return kept


def arrays(items: list[tuple[Box, float, int]]) -> tuple[Floats, Floats, Ints]:
    boxes = np.array([item[0] for item in items], np.float32).reshape(-1, 4)
    scores = np.array([item[1] for item in items], np.float32)
    return boxes, scores, np.array([item[2] for item in items], np.int64)


@given(st.lists(_box, max_size=8), st.lists(_box, max_size=8))
def test_iou_agrees_with_the_slow_reference(a: list[Box], b: list[Box]) -> None:
    actual = iou_matrix(
        np.array(a, np.float32).reshape(-1, 4), np.array(b, np.float32).reshape(-1, 4)
    )
    expected = np.array([[slow_iou(x, y) for y in b] for x in a]).reshape(len(a), len(b))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@given(st.lists(_item, max_size=25), st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]))
def test_nms_agrees_with_the_slow_reference(
    items: list[tuple[Box, float, int]], threshold: float
) -> None:
    assert nms(*arrays(items), threshold, len(items)).tolist() == slow_nms(items, threshold)


def test_nms_leaves_other_classes_alone() -> None:
    boxes = np.array([[0, 0, 10, 10]] * 3, np.float32)
    scores = np.array([0.5, 0.9, 0.7], np.float32)
    assert nms(boxes, scores, np.array([0, 0, 1]), 0.5, 10).tolist() == [1, 2]


def test_nms_stops_at_its_limit() -> None:
    boxes = np.arange(10, dtype=np.float32)[:, None] * 20 + np.array([0, 0, 5, 5], np.float32)
    scores = np.linspace(0.1, 0.9, 10, dtype=np.float32)
    assert nms(boxes, scores, np.zeros(10, np.int64), 0.5, 3).tolist() == [9, 8, 7]


def test_choose_uses_the_best_class_of_each_box_above_the_threshold() -> None:
    boxes = np.array([[0, 0, 4, 4], [10, 10, 14, 14], [20, 20, 24, 24]], np.float32)
    scores = np.array([[0.2, 0.6], [0.9, 0.1], [0.3, 0.2]], np.float32)
    selected = choose(boxes, scores, score_threshold=0.5)
    np.testing.assert_array_equal(selected.boxes, boxes[[1, 0]])
    np.testing.assert_allclose(selected.scores, [0.9, 0.6])
    assert selected.class_ids.tolist() == [0, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_box_that_is_not_finite_is_an_error_if_its_score_counts(bad: float) -> None:
    boxes = np.array([[0, 0, 4, bad], [8, 8, 9, 9]], np.float32)
    with pytest.raises(NetworkOutputError, match="a box that is NaN or infinite"):
        chosen_over_half(boxes, np.array([[0.9], [0.8]], np.float32))
    selected = chosen_over_half(boxes, np.array([[0.1], [0.8]], np.float32))
    np.testing.assert_array_equal(selected.boxes, boxes[1:])


@pytest.mark.parametrize("is_multi_label", [False, True])
@pytest.mark.parametrize(("bad", "message"), [(np.nan, "NaN"), (np.inf, "infinite"), (7, "of 7,")])
def test_a_score_that_is_no_probability_is_an_error(
    bad: float, message: str, is_multi_label: bool
) -> None:
    boxes, scores = np.zeros((2, 4), np.float32), np.array([[0.9], [bad]], np.float32)
    with pytest.raises(NetworkOutputError, match=message):
        chosen_over_half(boxes, scores, is_multi_label=is_multi_label)


def test_a_score_over_one_by_rounding_is_one() -> None:
    selected = chosen_over_half(np.zeros((1, 4), np.float32), np.array([[1.004]], np.float32))
    assert selected.scores.tolist() == [1]


def test_a_chosen_class_that_is_negative_is_an_error() -> None:
    boxes, scores = np.zeros((2, 4), np.float32), np.array([0.9, 0.1], np.float32)
    assert chosen_over_half(boxes, scores, np.array([3, -1])).class_ids.tolist() == [3]
    with pytest.raises(NetworkOutputError, match="a class that is negative"):
        chosen_over_half(boxes, scores, np.array([-1, 3]))


def test_a_box_may_have_several_classes() -> None:
    boxes = np.array([[0, 0, 4, 4], [8, 8, 9, 9]], np.float32)
    scores = np.array([[0.6, 0.2, 0.9], [0.1, 0.2, 0.3]], np.float32)
    selected = chosen_over_half(boxes, scores, is_multi_label=True)
    assert selected.class_ids.tolist() == [2, 0]
    np.testing.assert_array_equal(selected.boxes, boxes[[0, 0]])


def chosen_over_half(
    boxes: Floats, scores: Floats, class_ids: Ints | None = None, is_multi_label: bool = False
) -> Selected:
    return choose(boxes, scores, class_ids, score_threshold=0.5, is_multi_label=is_multi_label)


def test_choose_without_candidates_is_empty() -> None:
    boxes, scores = np.zeros((0, 4), np.float32), np.zeros((0, 3), np.float32)
    selected = choose(boxes, scores, score_threshold=0.5)
    assert selected.boxes.shape == (0, 4)
    assert len(selected.scores) == len(selected.class_ids) == 0


def test_clipping_keeps_boxes_inside_and_corners_in_order() -> None:
    boxes = np.array([[-5, -5, 50, 8], [90, 90, 95, 99], [6, 6, 3, 3]], np.float32)
    expected = [[0, 0, 20, 8], [20, 10, 20, 10], [6, 6, 6, 6]]
    np.testing.assert_array_equal(clip_boxes(boxes, 20, 10), expected)
