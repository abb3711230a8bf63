"""MOTA and id switches of a clip whose errors are known."""

from __future__ import annotations

import numpy as np

from models.tracking.mot_metrics import Placed, measure_tracks


def placed(*objects: tuple[int, float]) -> Placed:
    boxes = np.array([[x, 0, x + 10, 10] for _, x in objects], np.float64).reshape(-1, 4)
    return Placed(boxes, np.array([i for i, _ in objects], np.int64))


def test_misses_false_boxes_and_switches_are_counted() -> None:
    true = placed((1, 0), (2, 100))
    figures = measure_tracks(
        [
            (true, placed((7, 1), (8, 101))),
            (true, placed((7, 1))),  # one missed
            (true, placed((7, 1), (9, 101))),  # a switch: 8 to 9
            (true, placed((7, 1), (9, 101), (5, 300))),  # one false
        ]
    )
    assert (figures.num_missed, figures.num_false, figures.num_switches) == (1, 1, 1)
    assert figures.mota == 1 - 3 / 8
    assert figures.switched_share == 1 / 2


def test_a_track_that_still_overlaps_stays_with_its_object() -> None:
    first = (placed((1, 0)), placed((7, 0)))
    second = (placed((1, 0)), placed((7, 3), (8, 0)))  # 8 overlaps more
    assert measure_tracks([first, second]).num_switches == 0


def test_switches_are_told_apart_by_their_cause() -> None:
    true = placed((1, 0), (2, 100))
    figures = measure_tracks(
        [
            (true, placed((7, 1), (8, 101))),
            (true, placed((8, 1))),  # it took the other's id, which is not found
            (true, placed((8, 1), (9, 101))),  # a new id after a gap
            (true, placed((10, 1), (9, 101))),  # a new id without a gap
        ]
    )
    assert (figures.num_switches, figures.num_taken, figures.num_resumed) == (3, 1, 1)
