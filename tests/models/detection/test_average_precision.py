"""Average precision on cases whose value can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection.average_precision import (
    Found,
    Truth,
    average_precision,
    match,
    measure_detections,
)

BOX = [0.0, 0.0, 10.0, 10.0]
FAR = [50.0, 50.0, 60.0, 60.0]


def found(*items: tuple[list[float], str, float]) -> Found:
    boxes = np.array([box for box, _, _ in items], np.float32).reshape(-1, 4)
    scores = np.array([score for *_, score in items], np.float32)
    return Found(boxes, [label for _, label, _ in items], scores)


def truth(*items: tuple[list[float], str], crowd: list[bool] | None = None) -> Truth:
    boxes = np.array([box for box, _ in items], np.float32).reshape(-1, 4)
    return Truth(boxes, [label for _, label in items], crowd or [])


def test_all_hits_are_worth_one() -> None:
    assert average_precision(np.array([0.9, 0.8]), np.array([True, True]), 2) == 1.0


def test_no_detection_is_worth_nothing() -> None:
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0.0


def test_interpolation_over_101_points() -> None:
    # Hit, miss, hit of two: precision 1 up to recall 0.5 (51 points), then 2/3 (50 points).
    value = average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2)
    assert value == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_half_of_the_truth_found() -> None:
    assert average_precision(np.array([0.9]), np.array([True]), 2) == pytest.approx(51 / 101)


def test_the_order_of_detections_does_not_matter() -> None:
    scores, hits = np.array([0.7, 0.9, 0.8]), np.array([True, True, False])
    assert average_precision(scores, hits, 2) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_second_box_on_the_same_object_is_a_miss() -> None:
    boxes = np.array([BOX, BOX], np.float32)
    verdicts = match(
        boxes, np.array([0.5, 0.9], np.float32), boxes[:1], np.zeros(1, bool), threshold=0.5
    )
    assert verdicts.tolist() == [0, 1]


def test_perfect_detections_score_one() -> None:
    pictures = [
        (found((BOX, "car", 0.9)), truth((BOX, "car"))),
        (found((FAR, "bus", 0.4)), truth((FAR, "bus"))),
    ]
    assert measure_detections(pictures) == {"mAP50": 1.0, "mAP50-95": 1.0, "recall50": 1.0}


def test_a_loose_box_counts_at_the_low_thresholds_only() -> None:
    loose = [0.0, 0.0, 10.0, 7.2]  # IoU 0.72: a match at 0.5 to 0.7, five of ten thresholds
    measured = measure_detections([(found((loose, "car", 0.9)), truth((BOX, "car")))])
    assert measured["mAP50"] == 1.0
    assert measured["mAP50-95"] == pytest.approx(0.5)


def test_the_right_box_with_the_wrong_label_is_no_match() -> None:
    measured = measure_detections([(found((BOX, "bus", 0.9)), truth((BOX, "car")))])
    assert measured == {"mAP50": 0.0, "mAP50-95": 0.0, "recall50": 0.0}


def test_a_match_is_within_one_picture() -> None:
    pictures = [(found((BOX, "car", 0.9)), truth()), (found(), truth((BOX, "car")))]
    assert measure_detections(pictures)["mAP50"] == 0.0


def test_a_crowd_is_neither_missed_nor_mistaken() -> None:
    crowd = [0.0, 0.0, 100.0, 100.0]
    there = truth((FAR, "person"), (crowd, "person"), crowd=[False, True])
    seen = found((FAR, "person", 0.5), (BOX, "person", 0.9))
    assert measure_detections([(seen, there)]) == {"mAP50": 1.0, "mAP50-95": 1.0, "recall50": 1.0}


def test_recall_counts_from_its_score() -> None:
    pictures = [(found((BOX, "car", 0.3), (FAR, "car", 0.6)), truth((BOX, "car"), (FAR, "car")))]
    assert measure_detections(pictures, recall_from_score=0.5)["recall50"] == 0.5


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match="no object"):
        measure_detections([(found((BOX, "car", 0.3)), truth())])
