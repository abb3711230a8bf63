"""The loss of a transducer: minus the log-probability of its targets, over all alignments."""

from __future__ import annotations

import torch
from torch import Tensor


def transducer_loss(
    logits: Tensor,
    targets: Tensor,
    num_frames: Tensor,
    num_targets: Tensor,
    *,
    blank: int = 0,
    fast_emit: float = 0.0,
) -> Tensor:
    """Return the loss of each example; differentiable.

    The forward variables of a frame follow from those of the frame before in one `logcumsumexp`
    over the targets: `a_t = c_t + logcumsumexp(a_{t-1} + blank_{t-1} - c_t)`, where `c_t` is the
    cumulative sum of the targets' log-probabilities at frame t.

    Args:
        logits: (B, T, U + 1, V) float, not normalized.
        targets: (B, U) int64 in [0, V), never the blank within `num_targets`; padding is ignored.
        num_frames: (B,) int64, each in [1, T].
        num_targets: (B,) int64, each in [0, U].
        blank: the symbol that ends a frame.
        fast_emit: >= 0; how much more the gradient of targets counts than that of blanks. More
            gives earlier output (Yu et al., 2021, "FastEmit", arXiv:2010.11148). It changes the
            gradient, never the value.

    Returns:
        (B,) float, >= 0, in nats.

    Raises:
        ValueError: shapes or lengths do not fit; the message names them.

    Source: Graves, 2012, arXiv:1211.3711, section 2.4.
    """
    _check(logits, targets, num_frames, num_targets)
    blanks, labels = _log_probabilities(logits, targets, blank)
    if fast_emit:
        labels = labels + fast_emit * (labels - labels.detach())
    cumulative = torch.nn.functional.pad(labels.cumsum(-1), (1, 0))  # (B, T, U + 1)
    forward = [cumulative[:, 0]]
    for frame in range(1, logits.shape[1]):
        arrived = forward[-1] + blanks[:, frame - 1] - cumulative[:, frame]
        forward.append(cumulative[:, frame] + arrived.logcumsumexp(-1))
    rows = torch.arange(len(logits), device=logits.device)
    last = num_frames - 1
    return -(torch.stack(forward, 1) + blanks)[rows, last, num_targets]


def _log_probabilities(logits: Tensor, targets: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """Return those of the blank (B, T, U + 1) and of the next target (B, T, U)."""
    total = logits.logsumexp(-1)
    num_frames, num_targets = logits.shape[1], targets.shape[1]
    index = targets[:, None, :, None].expand(-1, num_frames, -1, 1)
    labels = logits[:, :, :num_targets].gather(-1, index).squeeze(-1)
    return logits[..., blank] - total, labels - total[:, :, :num_targets]


def _check(logits: Tensor, targets: Tensor, num_frames: Tensor, num_targets: Tensor) -> None:
    batch, frames, positions, symbols = logits.shape
    if targets.shape != (batch, positions - 1):
        raise ValueError(
            f"logits {tuple(logits.shape)} with targets {tuple(targets.shape)}: expected targets "
            f"({batch}, {positions - 1})"
        )
    if num_frames.shape != (batch,) or num_targets.shape != (batch,):
        raise ValueError(
            f"num_frames {tuple(num_frames.shape)}, num_targets {tuple(num_targets.shape)}: "
            f"expected ({batch},)"
        )
    if not batch:
        return
    if int(num_frames.min()) < 1 or int(num_frames.max()) > frames:
        raise ValueError(f"num_frames {num_frames.tolist()}: expected each in [1, {frames}]")
    if int(num_targets.min()) < 0 or int(num_targets.max()) > positions - 1:
        raise ValueError(
            f"num_targets {num_targets.tolist()}: expected each in [0, {positions - 1}]"
        )
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < symbols:
        raise ValueError(f"targets: expected each in [0, {symbols})")
