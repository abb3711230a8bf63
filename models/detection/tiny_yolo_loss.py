"""The loss of the small detector: which cells predict an object, and how wrong they are.

This module imports torch. Assignment after Feng et al., 2021, "TOOD: Task-aligned One-stage Object
Detection", arXiv:2108.07755; box loss after Zheng et al., 2019, "Distance-IoU Loss",
arXiv:1911.08287.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

#: score^0.5 * IoU^6 ranks the cells of an object, and the ten best predict it. TOOD, section 3.2,
#: has score^1; YOLOv8 has score^0.5, which trains more evenly from scratch.
_SCORE_POWER, _IOU_POWER, _CELLS_PER_OBJECT = 0.5, 6.0, 10
_BOX_WEIGHT = 5.0
_EPSILON = 1e-7


def paired_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU of boxes (..., 4) xyxy, broadcast together."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (high - low).clamp(min=0).prod(dim=-1)
    areas = (a[..., 2:] - a[..., :2]).prod(dim=-1) + (b[..., 2:] - b[..., :2]).prod(dim=-1)
    return overlap / (areas - overlap + _EPSILON)


def distance_iou_loss(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - IoU + (distance of centers / diagonal of the common hull)^2, for boxes (n, 4)."""
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2
    penalty = apart.square().sum(dim=1) / (hull.square().sum(dim=1) + _EPSILON)
    return 1 - paired_iou(a, b) + penalty


@torch.no_grad()
def assign(
    boxes: Tensor, scores: Tensor, centers: Tensor, truth: Tensor, class_ids: Tensor
) -> tuple[Tensor, Tensor]:
    """Choose the cells that predict each object.

    Args:
        boxes: (B, N, 4) predicted, xyxy.
        scores: (B, N, C) predicted, in [0, 1].
        centers: (N, 2) cell centers.
        truth: (B, M, 4) true boxes, padded with zeros.
        class_ids: (B, M) int64, -1 where padded.

    Returns:
        owner (B, N) int64, the object that each cell predicts or -1, and quality (B, N), the score
        that the cell should give, in [0, 1].
    """
    iou = paired_iou(truth[:, :, None], boxes[:, None])  # (B, M, N)
    wanted = class_ids.clamp(min=0)[:, :, None].expand(-1, -1, scores.shape[1])
    class_scores = scores.transpose(1, 2).gather(1, wanted)
    inside = (centers > truth[:, :, None, :2]) & (centers < truth[:, :, None, 2:])
    valid = inside.all(dim=-1) & (class_ids >= 0)[:, :, None]
    rank = class_scores.pow(_SCORE_POWER) * iou.pow(_IOU_POWER) + _EPSILON
    rank = torch.where(valid, rank, 0.0)
    best = rank.topk(_CELLS_PER_OBJECT, dim=-1).indices
    chosen = torch.zeros_like(valid).scatter_(-1, best, True) & valid
    overlap = torch.where(chosen, iou, -1.0)
    highest, owner = overlap.max(
        dim=1
    )  # a cell that two objects could have goes to the one with more overlap
    rank = torch.where(chosen, rank, 0.0)
    top_rank, top_iou = rank.amax(dim=-1, keepdim=True), (iou * chosen).amax(dim=-1, keepdim=True)
    quality = (rank / (top_rank + _EPSILON) * top_iou).gather(1, owner[:, None])[:, 0]
    taken = highest >= 0
    return torch.where(taken, owner, -1), torch.where(taken, quality, 0.0)


def detection_loss(
    boxes: Tensor,
    logits: Tensor,
    centers: Tensor,
    truth: Tensor,
    class_ids: Tensor,
) -> Tensor:
    """Return the scalar loss of a batch; shapes as in `assign`."""
    owner, quality = assign(boxes.detach(), logits.detach().sigmoid(), centers, truth, class_ids)
    taken = owner >= 0
    batch = torch.arange(len(boxes))[:, None].expand_as(owner)
    target = torch.zeros_like(logits)
    target[batch[taken], taken.nonzero()[:, 1], class_ids[batch[taken], owner[taken]]] = quality[
        taken
    ]
    total = quality.sum().clamp(min=1.0)
    class_loss = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    box_loss = distance_iou_loss(boxes[taken], truth[batch[taken], owner[taken]])
    return (class_loss + _BOX_WEIGHT * (box_loss * quality[taken]).sum()) / total
