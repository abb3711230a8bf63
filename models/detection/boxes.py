"""Arrays of boxes: overlap, suppression, clipping. A box is x1, y1, x2, y2; x1 <= x2, y1 <= y2.

Boxes and scores come from models and may be NaN or infinite: that is an error of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

#: At most this many candidates of a frame enter suppression, whose cost grows with the candidates
#: times the boxes kept: a model that gives everything a high score must not stall the stream.
MAX_CANDIDATES = 3000


#: Probabilities may be over 1 by rounding, most of all in half precision.
MAX_SCORE = 1.01


class NetworkOutputError(ValueError):
    """A network's output for one picture can't be right."""


class Candidates(NamedTuple):
    """A network's boxes before selection: N for each of B frames."""

    boxes: Floats
    """(B, N, 4) xyxy, in pixels of the network's input."""
    scores: Floats
    """(B, N, C) in [0, 1], or (B, N) with `class_ids`."""
    class_ids: Ints | None = None
    """(B, N), where the network has chosen the classes."""


class Selected(NamedTuple):
    """Boxes of one frame, by descending score; n of them, n may be 0."""

    boxes: Floats
    """(n, 4) xyxy."""
    scores: Floats
    """(n,) in [0, 1]."""
    class_ids: Ints
    """(n,)."""

    def rows(self, chosen: Ints) -> Selected:
        """Return some of them."""
        return Selected(self.boxes[chosen], self.scores[chosen], self.class_ids[chosen])


def areas(boxes: Floats) -> Floats:
    """Return the areas (n,) of boxes (n, 4); 0 if a side is negative."""
    sides: Floats = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    product: Floats = sides[:, 0] * sides[:, 1]
    return product


def intersections(a: Floats, b: Floats) -> Floats:
    """Return the areas (n, m) that boxes (n, 4) and (m, 4) have in common."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides: Floats = np.maximum(high - low, 0)
    product: Floats = sides[..., 0] * sides[..., 1]
    return product


def iou_matrix(a: Floats, b: Floats) -> Floats:
    """Return intersection over union (n, m), in [0, 1]; 0 for boxes without area."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - common
    ratio: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ratio


def nms(
    boxes: Floats, scores: Floats, class_ids: Ints, iou_threshold: float, max_kept: int
) -> Ints:
    """Suppress, class by class, boxes that overlap a better box by more than `iou_threshold`.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,); of two equal scores the earlier box is better.
        class_ids: (n,); boxes of different classes never suppress each other.
        iou_threshold: in [0, 1].
        max_kept: stop after this many boxes.

    Returns:
        Indices of the boxes kept, by descending score.
    """
    candidates = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(candidates) and len(kept) < max_kept:
        best, candidates = candidates[0], candidates[1:]
        kept.append(int(best))
        overlap = iou_matrix(boxes[best : best + 1], boxes[candidates])[0]
        is_other_class = class_ids[candidates] != class_ids[best]
        candidates = candidates[(overlap <= iou_threshold) | is_other_class]
    return np.array(kept, np.int64)


def choose(
    boxes: Floats,
    scores: Floats,
    class_ids: Ints | None = None,
    *,
    score_threshold: float,
    is_multi_label: bool = False,
) -> Selected:
    """Return one frame's candidates for suppression: class and score of each, over a threshold.

    Args:
        boxes: (N, 4) xyxy candidates.
        scores: (N, C), one for each class; (N,) if `class_ids` are given.
        class_ids: (N,), where the network has chosen the classes.
        score_threshold: lower scores are dropped, in [0, 1].
        is_multi_label: whether a box is a detection for each class over the threshold, not only
            for its best class.

    Returns:
        At most `MAX_CANDIDATES`, by descending score; of equal scores the earlier box is first.

    Raises:
        NetworkOutputError: a score is NaN, infinite or over 1, or a box with a score over the
            threshold is not finite or has no class.
    """
    if class_ids is not None:
        rows, best = np.arange(len(scores)), scores
    elif is_multi_label:
        rows, class_ids = np.nonzero(~(scores < score_threshold))
        best = scores[rows, class_ids]
    else:
        rows, class_ids = np.arange(len(scores)), scores.argmax(axis=1)
        best = scores[rows, class_ids]
    _require_probabilities(best)
    usable = np.flatnonzero(best >= score_threshold)
    usable = usable[np.argsort(-best[usable], kind="stable")[:MAX_CANDIDATES]]
    boxes, best = boxes[rows[usable]], best[usable]
    class_ids = class_ids[usable].astype(np.int64)
    if (class_ids < 0).any():
        raise NetworkOutputError("the network gives a class that is negative or not a number")
    if not np.isfinite(boxes).all():
        raise NetworkOutputError("the network gives a box that is NaN or infinite")
    return Selected(boxes, np.clip(best, 0, 1), class_ids)


class Suppress(Protocol):
    """Drops what overlaps a better box, for a batch of frames."""

    def __call__(
        self, frames: Sequence[Selected], iou_threshold: float, max_kept: int
    ) -> list[Ints]:
        """Return the indices of the boxes kept of each frame, as `nms` does."""
        ...


def nms_of_frames(frames: Sequence[Selected], iou_threshold: float, max_kept: int) -> list[Ints]:
    """Suppress one frame after the other, on the CPU."""
    return [nms(*frame, iou_threshold, max_kept) for frame in frames]


def _require_probabilities(scores: Floats) -> None:
    highest = float(scores.max(initial=0.0))  # NaN if any score is
    if not np.isfinite(highest):
        raise NetworkOutputError("the network gives a score that is NaN or infinite")
    if highest > MAX_SCORE:
        raise NetworkOutputError(
            f"the network gives a score of {highest:g}, expected 0 to 1: its outputs may have "
            "another layout than the one in use"
        )


def clip_boxes(boxes: Floats, width: float, height: float) -> Floats:
    """Clip boxes (n, 4) to a frame of that size; x1 <= x2 and y1 <= y2 in the result."""
    limits = np.array([width, height, width, height], np.float32)
    clipped: Floats = np.clip(boxes, 0, limits)
    clipped[:, 2:] = np.maximum(clipped[:, 2:], clipped[:, :2])
    return clipped
