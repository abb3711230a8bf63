"""Which box of a frame belongs to which track: the assignment with the least total cost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Matches(NamedTuple):
    """Pairs of a track and a box, by their rows."""

    tracks: Ints
    boxes: Ints


def iou(first: Floats, second: Floats) -> Floats:
    """Return the overlap (m, n), 0 to 1, of boxes (m, 4) with boxes (n, 4), xyxy."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    total = _areas(first)[:, None] + _areas(second)[None, :] - shared
    overlap: Floats = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return overlap


def grown(boxes: Floats, share: float) -> Floats:
    """Return boxes (n, 4), xyxy, that are larger on each side by a share of their sides."""
    margins = share * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margins, boxes[:, 2:] + margins], axis=1)


def _areas(boxes: Floats) -> Floats:
    areas: Floats = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    return areas


def match(similarity: Floats, least: float) -> Matches:
    """Return the pairs with the greatest total similarity, each at least `least`.

    Args:
        similarity: (m, n), 0 to 1: m tracks and n boxes.
        least: a pair with less is no pair, and takes no track from another.
    """
    # Pairs below the limit all cost the same, more than any allowed pair.
    cost = np.where(similarity >= least, 1 - similarity, 2.0)
    tracks, boxes = linear_sum_assignment(cost)
    kept = similarity[tracks, boxes] >= least
    return Matches(tracks[kept].astype(np.int64), boxes[kept].astype(np.int64))
