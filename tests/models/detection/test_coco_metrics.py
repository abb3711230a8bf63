"""Average precision on cases whose value can be worked out by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from models.base import ModelError
from models.detection.coco_metrics import Found, Truth, measure_detections

BOX = [0.0, 0.0, 10.0, 10.0]
FAR = [50.0, 50.0, 60.0, 60.0]
EMPTY = [80.0, 80.0, 90.0, 90.0]


def found(*items: tuple[list[float], str, float]) -> Found:
    boxes = np.array([box for box, _, _ in items], np.float32).reshape(-1, 4)
    scores = np.array([score for *_, score in items], np.float32)
    return Found(boxes, [label for _, label, _ in items], scores)


def truth(*items: tuple[list[float], str], crowd: list[bool] | None = None) -> Truth:
    boxes = np.array([box for box, _ in items], np.float32).reshape(-1, 4)
    return Truth(boxes, [label for _, label in items], crowd or [])


TWO_CARS = truth((BOX, "car"), (FAR, "car"))


def test_perfect_detections_score_one() -> None:
    pictures = [
        (found((BOX, "car", 0.9)), truth((BOX, "car"))),
        (found((FAR, "bus", 0.4)), truth((FAR, "bus"))),
    ]
    measured = measure_detections(pictures)
    assert measured == pytest.approx({"mAP50": 1.0, "mAP50-95": 1.0, "recall50": 1.0})


def test_no_detection_scores_zero() -> None:
    measured = measure_detections([(found(), TWO_CARS)])
    assert measured == {"mAP50": 0.0, "mAP50-95": 0.0, "recall50": 0.0}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_precision_is_read_at_101_points_of_recall(order: tuple[int, ...]) -> None:
    # By score: hit, miss, hit. Precision 1 up to recall 0.5 (51 points), then 2/3 (50 points).
    items = [(BOX, "car", 0.9), (EMPTY, "car", 0.8), (FAR, "car", 0.7)]
    measured = measure_detections([(found(*(items[i] for i in order)), TWO_CARS)])
    assert measured["mAP50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_finding_half_of_the_objects_scores_51_of_101_points() -> None:
    measured = measure_detections([(found((BOX, "car", 0.9)), TWO_CARS)])
    assert measured["mAP50"] == pytest.approx(51 / 101)
    assert measured["recall50"] == 0.5


def test_a_second_box_on_the_same_object_is_a_mistake() -> None:
    seen = found((BOX, "car", 0.9), (BOX, "car", 0.8), (FAR, "car", 0.7))
    measured = measure_detections([(seen, TWO_CARS)])
    assert measured["mAP50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_a_loose_box_counts_at_the_low_thresholds_only() -> None:
    loose = [0.0, 0.0, 10.0, 7.2]  # IoU 0.72: a match at 0.5 to 0.7, five of ten thresholds
    measured = measure_detections([(found((loose, "car", 0.9)), truth((BOX, "car")))])
    assert measured["mAP50"] == pytest.approx(1.0)
    assert measured["mAP50-95"] == pytest.approx(0.5)


def test_the_mean_is_over_classes_and_not_over_objects() -> None:
    there = truth((BOX, "car"), (FAR, "car"), (EMPTY, "bus"))
    measured = measure_detections([(found((BOX, "car", 0.9), (FAR, "car", 0.9)), there)])
    assert measured["mAP50"] == pytest.approx(0.5)
    assert measured["recall50"] == pytest.approx(2 / 3)


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
    measured = measure_detections([(seen, there)])
    assert measured == pytest.approx({"mAP50": 1.0, "mAP50-95": 1.0, "recall50": 1.0})


def test_recall_counts_detections_from_its_score_up() -> None:
    pictures = [(found((BOX, "car", 0.3), (FAR, "car", 0.6)), TWO_CARS)]
    assert measure_detections(pictures, recall_from_score=0.5)["recall50"] == 0.5


@pytest.mark.parametrize("there", [truth(), truth((BOX, "car"), crowd=[True])])
def test_a_truth_without_objects_is_an_error(there: Truth) -> None:
    with pytest.raises(ValueError, match="no object"):
        measure_detections([(found((BOX, "car", 0.3)), there)])


def test_the_error_names_the_extra_when_pycocotools_is_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(ModelError, match=r"install the extra penstock\[eval\]"):
        measure_detections([(found(), TWO_CARS)])
