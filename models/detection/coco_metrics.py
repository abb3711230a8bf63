"""Mean average precision as COCO defines it, measured by pycocotools, the reference.

Source: Lin et al., 2014, "Microsoft COCO: Common Objects in Context", arXiv:1405.0312.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.base import ModelError
from models.detection.boxes import Floats

#: Indices into what pycocotools returns: IoU 0.5, objects of every size.
_IOU_50, _ALL_SIZES = 0, 0


@dataclass(frozen=True)
class Truth:
    """The objects in one picture; n of them."""

    boxes: Floats
    """(n, 4) xyxy."""
    labels: list[str]
    is_crowd: list[bool] = field(default_factory=list)
    """(n,) or empty. A crowd need not be found, and finding any part of it is no mistake."""


@dataclass(frozen=True)
class Found:
    """A detector's answer for one picture; m objects."""

    boxes: Floats
    """(m, 4) xyxy."""
    labels: list[str]
    scores: Floats
    """(m,)."""


def require_pycocotools() -> None:
    """Check that pycocotools is installed.

    Raises:
        ModelError: it is not; the message says what to install.
    """
    try:
        import pycocotools  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(
            "pycocotools measures a detector's mean average precision and is not installed: "
            "install the extra penstock[eval]"
        ) from error


def measure_detections(
    pictures: Sequence[tuple[Found, Truth]], recall_from_score: float = 0.0
) -> dict[str, float]:
    """Measure a detector's answers; classes without any object in the truth are left out.

    Args:
        pictures: the detector's answer and the truth, for each picture.
        recall_from_score: detections with lower scores do not count for `recall50`.

    Returns:
        `mAP50` and `mAP50-95`, means over classes, and `recall50`, the share of all objects found
        at IoU 0.5; all in [0, 1].

    Raises:
        ModelError: pycocotools is not installed.
        ValueError: the truth holds no object at all.
    """
    require_pycocotools()
    from pycocotools.cocoeval import COCOeval

    labels = sorted({label for _, truth in pictures for label in truth.labels})
    class_ids = {label: class_id for class_id, label in enumerate(labels, start=1)}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        evaluation = COCOeval(
            _coco(len(pictures), class_ids, list(_objects(pictures, class_ids))),
            _coco(len(pictures), class_ids, list(_detections(pictures, class_ids))),
            iouType="bbox",
        )
        evaluation.evaluate()
        evaluation.accumulate()
    # (IoU threshold, recall, class); -1 for a class that has crowds only.
    precision = evaluation.eval["precision"][:, :, :, _ALL_SIZES, -1]
    if not (precision > -1).any():
        raise ValueError("the truth holds no object: there is nothing to measure")
    return {
        "mAP50": float(precision[_IOU_50][precision[_IOU_50] > -1].mean()),
        "mAP50-95": float(precision[precision > -1].mean()),
        "recall50": _recall50(evaluation, recall_from_score),
    }


def _recall50(evaluation: Any, from_score: float) -> float:
    """Return the share of all objects that a detection with at least that score matches."""
    num_objects = num_found = 0
    all_sizes = list(evaluation.params.areaRng[_ALL_SIZES])
    for part in evaluation.evalImgs:  # one class in one picture; None if neither has any
        if part is None or list(part["aRng"]) != all_sizes:
            continue
        is_match = (part["dtMatches"][_IOU_50] > 0) & ~part["dtIgnore"][_IOU_50].astype(bool)
        num_found += int((is_match & (np.array(part["dtScores"]) >= from_score)).sum())
        num_objects += int((~np.array(part["gtIgnore"], bool)).sum())
    return num_found / num_objects


def _coco(num_pictures: int, class_ids: dict[str, int], boxes: list[dict[str, Any]]) -> Any:
    """Return boxes as pycocotools holds them. Ids count from 1: it takes 0 for "no match"."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {
        "images": [{"id": picture} for picture in range(num_pictures)],
        "categories": [{"id": class_id, "name": name} for name, class_id in class_ids.items()],
        "annotations": [{"id": number, **box} for number, box in enumerate(boxes, start=1)],
    }
    coco.createIndex()
    return coco


def _objects(
    pictures: Sequence[tuple[Found, Truth]], class_ids: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for picture, (_, truth) in enumerate(pictures):
        crowds = truth.is_crowd or [False] * len(truth.labels)
        for box, label, is_crowd in zip(truth.boxes, truth.labels, crowds, strict=True):
            yield {**_box(picture, class_ids[label], box), "iscrowd": int(is_crowd)}


def _detections(
    pictures: Sequence[tuple[Found, Truth]], class_ids: dict[str, int]
) -> Iterator[dict[str, Any]]:
    for picture, (found, _) in enumerate(pictures):
        for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True):
            if label in class_ids:
                yield {**_box(picture, class_ids[label], box), "score": float(score)}


def _box(picture: int, class_id: int, xyxy: Floats) -> dict[str, Any]:
    x1, y1, x2, y2 = xyxy.tolist()
    width, height = x2 - x1, y2 - y1
    return {
        "image_id": picture,
        "category_id": class_id,
        "bbox": [x1, y1, width, height],
        "area": width * height,
        "iscrowd": 0,
    }
