"""Boxes as arrays: overlap, suppression, clipping. A box is x1, y1, x2, y2 with x1 <= x2, y1 <= y2.

Scores and boxes come from models, so NaN and infinity are dropped here rather than trusted.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

#: Only the best candidates of a frame enter suppression: its cost grows with their number times
#: that of the boxes kept, and a model that is sure of everything must not stall the stream.
MAX_CANDIDATES = 3000


class Selected(NamedTuple):
    """The boxes of one frame that remain, by descending score; n of them, n may be 0."""

    boxes: Floats
    """(n, 4) xyxy."""
    scores: Floats
    """(n,) in [0, 1]."""
    class_ids: Ints
    """(n,)."""


def areas(boxes: Floats) -> Floats:
    """Return the areas (n,) of boxes (n, 4); a box turned inside out has none."""
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    product: Floats = sides[:, 0] * sides[:, 1]
    return product


def intersections(a: Floats, b: Floats) -> Floats:
    """Return the common areas (n, m) of boxes (n, 4) and (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides: Floats = np.maximum(high - low, 0)
    product: Floats = sides[..., 0] * sides[..., 1]
    return product


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """Return intersection over union (n, m), in [0, 1]; 0 between boxes without area."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - common
    ratio: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ratio


def nms(
    boxes: Floats, scores: Floats, class_ids: Ints, iou_threshold: float, max_kept: int
) -> Ints:
    """Suppress, class by class, boxes that overlap a better one by more than `iou_threshold`.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,); of equal scores the earlier box is better.
        class_ids: (n,); boxes of different classes never suppress each other.
        iou_threshold: in [0, 1].
        max_kept: stop after so many.

    Returns:
        Indices of the boxes that remain, by descending score.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting) and len(kept) < max_kept:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        overlap = iou_matrix(boxes[best : best + 1], boxes[waiting])[0]
        waiting = waiting[(overlap <= iou_threshold) | (class_ids[waiting] != class_ids[best])]
    return np.array(kept, np.int64)


def select(
    boxes: Floats,
    scores: Floats,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_detections: int,
) -> Selected:
    """Choose one frame's detections: the best class of each box, above a score, suppressed.

    Args:
        boxes: (N, 4) xyxy candidates.
        scores: (N, C) per class.
        score_threshold: lower scores are dropped, in [0, 1].
        iou_threshold: as in `nms`.
        max_detections: at most so many remain, >= 1.
    """
    class_ids = scores.argmax(axis=1)
    best = scores[np.arange(len(scores)), class_ids]
    usable = np.flatnonzero((best >= score_threshold) & np.isfinite(boxes).all(axis=1))
    usable = usable[np.argsort(-best[usable], kind="stable")[:MAX_CANDIDATES]]
    boxes, best, class_ids = boxes[usable], best[usable], class_ids[usable].astype(np.int64)
    kept = nms(boxes, best, class_ids, iou_threshold, max_detections)
    return Selected(boxes[kept], np.clip(best[kept], 0, 1), class_ids[kept])


def clip_boxes(boxes: Floats, width: float, height: float) -> Floats:
    """Return boxes (n, 4) cut at the edges of a frame of that size, corners in order."""
    limits = np.array([width, height, width, height], np.float32)
    clipped: Floats = np.clip(boxes, 0, limits)
    clipped[:, 2:] = np.maximum(clipped[:, 2:], clipped[:, :2])
    return clipped
