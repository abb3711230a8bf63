"""Mean average precision as COCO defines it, written plainly.

Source: Lin et al., 2014, "Microsoft COCO", arXiv:1405.0312, and its pycocotools: detections are
matched to the truth per picture and class, greedily by descending score; precision is made to fall
monotonically and read at 101 points of recall.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.detection.boxes import Floats, areas, intersections, iou_matrix

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
_RECALL_POINTS = np.linspace(0, 1, 101)
_MATCH, _MISS, _IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Truth:
    """What is in one picture; n objects."""

    boxes: Floats
    """(n, 4) xyxy."""
    labels: list[str]
    is_crowd: list[bool] = field(default_factory=list)
    """(n,) or empty. A crowd need not be found, and finding any part of it is no mistake."""


@dataclass(frozen=True)
class Found:
    """What a detector says of one picture; m objects."""

    boxes: Floats
    """(m, 4) xyxy."""
    labels: list[str]
    scores: Floats
    """(m,)."""


def average_precision(
    scores: npt.NDArray[np.floating], is_hit: npt.NDArray[np.bool_], num_truth: int
) -> float:
    """Return the area under the precision-recall curve, in [0, 1], by 101-point interpolation.

    Args:
        scores: (m,) of one class's detections over all pictures.
        is_hit: (m,) whether each matches an object.
        num_truth: how many objects there are, >= 1.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_hit[order])
    recall, precision = hits / num_truth, hits / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALL_POINTS, side="left")
    read = np.append(falling, 0.0)[np.minimum(at, len(falling))]
    return float(read.mean())


def match(
    boxes: Floats, scores: Floats, truth: Floats, is_crowd: npt.NDArray[np.bool_], threshold: float
) -> npt.NDArray[np.int64]:
    """Match one picture's detections of one class to its objects of that class.

    Returns:
        (m,) 1 for a match, 0 for a miss, -1 for a detection in a crowd, which counts as neither.
    """
    verdicts = np.full(len(boxes), _MISS, np.int64)
    overlap = iou_matrix(boxes, truth)
    # Of a crowd, a detection need only lie inside: overlap by its own area.
    inside = intersections(boxes, truth) / np.maximum(areas(boxes)[:, None], 1e-9)
    free = ~is_crowd
    for index in np.argsort(-scores, kind="stable"):
        best = int(np.argmax(np.where(free, overlap[index], -1.0))) if len(truth) else -1
        if best >= 0 and free[best] and overlap[index, best] >= threshold:
            verdicts[index], free[best] = _MATCH, False
        elif (inside[index] >= threshold)[is_crowd].any():
            verdicts[index] = _IGNORED
    return verdicts


def measure_detections(
    pictures: Sequence[tuple[Found, Truth]], recall_from_score: float = 0.0
) -> dict[str, float]:
    """Measure over pictures; classes without any object in the truth are left out.

    Args:
        pictures: what was found, and what is there.
        recall_from_score: detections below do not count for `recall50`.

    Returns:
        `mAP50` and `mAP50-95`, means over classes, and `recall50`, the share of all objects found
        at IoU 0.5; all in [0, 1].

    Raises:
        ValueError: the truth holds no object at all.
    """
    labels = sorted({label for _, truth in pictures for label in truth.labels})
    classes = [_ClassResult(pictures, label) for label in labels]
    classes = [one for one in classes if one.num_truth]
    if not classes:
        raise ValueError("the truth holds no object: there is nothing to measure")
    precisions = np.array([[one.precision(t) for t in IOU_THRESHOLDS] for one in classes])
    found = sum(one.num_found(0.5, recall_from_score) for one in classes)
    return {
        "mAP50": float(precisions[:, 0].mean()),
        "mAP50-95": float(precisions.mean()),
        "recall50": found / sum(one.num_truth for one in classes),
    }


class _ClassResult:
    """One class over all pictures."""

    def __init__(self, pictures: Sequence[tuple[Found, Truth]], label: str) -> None:
        self._parts = [_of_class(found, truth, label) for found, truth in pictures]
        self._scores = np.concatenate([scores for _, scores, _, _ in self._parts])
        self.num_truth = int(sum((~is_crowd).sum() for *_, is_crowd in self._parts))

    def _verdicts(self, threshold: float) -> npt.NDArray[np.int64]:
        return np.concatenate([match(*part, threshold) for part in self._parts])

    def precision(self, threshold: float) -> float:
        verdicts = self._verdicts(threshold)
        counted = verdicts != _IGNORED
        is_hit = verdicts[counted] == _MATCH
        return average_precision(self._scores[counted], is_hit, self.num_truth)

    def num_found(self, threshold: float, from_score: float) -> int:
        hits = (self._verdicts(threshold) == _MATCH) & (self._scores >= from_score)
        return int(hits.sum())


def _of_class(
    found: Found, truth: Truth, label: str
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    mine = np.array([name == label for name in found.labels], bool)
    real = np.array([name == label for name in truth.labels], bool)
    crowd = np.array(truth.is_crowd or [False] * len(truth.labels), bool)
    return found.boxes[mine], found.scores[mine], truth.boxes[real], crowd[real]
