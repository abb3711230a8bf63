"""The assignment with the greatest total overlap, within the limit."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.tracking.association import Floats, iou, match


def test_iou_of_known_boxes() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 9]], np.float64)
    np.testing.assert_allclose(iou(boxes, boxes)[:2, :2], [[1, 1 / 7], [1 / 7, 1]])
    assert not iou(boxes, boxes)[2].any()  # no area


@given(
    arrays(np.float64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(0, 1))
)
def test_no_other_assignment_is_better(similarity: Floats) -> None:
    pairs = match(similarity, 0.3)
    assert len(set(pairs.tracks)) == len(pairs.tracks)
    assert len(set(pairs.boxes)) == len(pairs.boxes)
    assert all(similarity[pairs.tracks, pairs.boxes] >= 0.3)
    cost = np.where(similarity >= 0.3, 1 - similarity, 2.0)

    def total(places: list[tuple[int, int]]) -> float:
        return float(sum(cost[place] for place in places))

    rows, columns = similarity.shape
    count = min(rows, columns)
    every = [
        list(zip(chosen, order, strict=True))
        for chosen in itertools.combinations(range(rows), count)
        for order in itertools.permutations(range(columns), count)
    ]
    mine = list(zip(pairs.tracks.tolist(), pairs.boxes.tolist(), strict=True))
    assert total(mine) + 2.0 * (count - len(mine)) <= min(map(total, every)) + 1e-9
