"""Suppress overlapping boxes of a whole batch of frames at once, on the device of the network.

`boxes.nms` goes through a frame's boxes one after the other, in as many steps as boxes are kept.
Here the overlaps of all pairs are computed together, and a few passes over them settle all frames:
in each pass, a box is dropped if a better box that is still kept overlaps it. When a pass changes
nothing, what is kept is what the sequential suppression keeps.

Source: Zheng et al., 2020, "Enhancing Geometric Factors in Model Learning and Inference for Object
Detection and Instance Segmentation" (Cluster-NMS), arXiv:2005.03572, proposition 1.

This module imports torch: import it only where a network runs on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from models.detection.boxes import Ints, Selected

#: Pairs of boxes whose overlaps are computed at a time: about 300 MB in float32.
_MAX_PAIRS = 16_000_000


class DeviceNms:
    """The suppression of `boxes.nms`, for batches, on one device."""

    def __init__(self, device: str) -> None:
        """Take a device of torch: `cuda:N`, or `cpu`."""
        self._device = torch.device(device)

    def __call__(
        self, frames: Sequence[Selected], iou_threshold: float, max_kept: int
    ) -> list[Ints]:
        """Return the indices of the boxes kept of each frame, by descending score.

        Args:
            frames: candidates of each frame, by descending score; finite boxes.
            iou_threshold: as of `boxes.nms`.
            max_kept: of a frame.
        """
        kept: list[Ints] = []
        start = 0
        while start < len(frames):
            part = _part(frames, start)
            kept += self._suppress(part, iou_threshold, max_kept)
            start += len(part)
        return kept

    def _suppress(
        self, frames: Sequence[Selected], iou_threshold: float, max_kept: int
    ) -> list[Ints]:
        most = max(len(frame.scores) for frame in frames)
        if most == 0:
            return [np.zeros(0, np.int64) for _ in frames]
        boxes = np.zeros((len(frames), most, 4), np.float32)
        class_ids = np.full((len(frames), most), -1, np.int64)
        for row, frame in enumerate(frames):
            boxes[row, : len(frame.scores)] = frame.boxes
            class_ids[row, : len(frame.scores)] = frame.class_ids
        with torch.inference_mode():
            classes = torch.from_numpy(class_ids).to(self._device)
            is_kept = suppress(torch.from_numpy(boxes).to(self._device), classes, iou_threshold)
            flags = is_kept.cpu().numpy()
        return [np.flatnonzero(row)[:max_kept] for row in flags]


def suppress(boxes: torch.Tensor, class_ids: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Return which boxes (B, K) bool are kept.

    Args:
        boxes: (B, K, 4) xyxy float32, the best of each frame first.
        class_ids: (B, K) int64; -1 where a row is padded.
        iou_threshold: in [0, 1]; a box goes if its overlap with a better one of its class is more.
    """
    is_same = class_ids[:, :, None] == class_ids[:, None, :]
    # Row i, column j: box i is better than box j, of its class, and overlaps it too much.
    beats = (_overlaps(boxes) > iou_threshold) & is_same
    beats = torch.triu(beats, diagonal=1)
    is_real = class_ids >= 0
    is_kept = is_real
    while True:
        after = is_real & ~(beats & is_kept[:, :, None]).any(dim=1)
        if torch.equal(after, is_kept):
            return is_kept
        is_kept = after


def _overlaps(boxes: torch.Tensor) -> torch.Tensor:
    """Return intersection over union (B, K, K), computed in the order of `boxes.iou_matrix`."""
    low = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    sides = (high - low).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    own = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    area = own[..., 0] * own[..., 1]
    union = area[:, :, None] + area[:, None, :] - common
    return torch.where(union > 0, common / union, 0.0)


def _part(frames: Sequence[Selected], start: int) -> Sequence[Selected]:
    """Return as many frames from `start` on as fit into `_MAX_PAIRS`, at least one."""
    most = 0
    for end in range(start, len(frames)):
        most = max(most, len(frames[end].scores))
        if end > start and (end + 1 - start) * most**2 > _MAX_PAIRS:
            return frames[start:end]
    return frames[start:]
