"""The loss of a transducer: minus the log-probability of its targets, over all alignments."""

from __future__ import annotations

from collections.abc import Callable

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
    return lattice_loss(blanks, labels, num_frames, num_targets, fast_emit=fast_emit)


def lattice_loss(
    blanks: Tensor,
    labels: Tensor,
    num_frames: Tensor,
    num_targets: Tensor,
    *,
    fast_emit: float = 0.0,
) -> Tensor:
    """Return the loss (B,) of log-probabilities; differentiable.

    Args:
        blanks: (B, T, U + 1) float, of the blank; values outside of an example are ignored.
        labels: (B, T, U) float, of the next target.
        num_frames: as of `transducer_loss`.
        num_targets: as of `transducer_loss`.
        fast_emit: as of `transducer_loss`.
    """
    if fast_emit:
        labels = labels + fast_emit * (labels - labels.detach())
    cumulative = torch.nn.functional.pad(labels.cumsum(-1), (1, 0))  # (B, T, U + 1)
    forward = [cumulative[:, 0]]
    for frame in range(1, blanks.shape[1]):
        arrived = forward[-1] + blanks[:, frame - 1] - cumulative[:, frame]
        forward.append(cumulative[:, frame] + arrived.logcumsumexp(-1))
    rows = torch.arange(len(blanks), device=blanks.device)
    return -(torch.stack(forward, 1) + blanks)[rows, num_frames - 1, num_targets]


def packed_loss(
    joiner: Callable[[Tensor, Tensor], Tensor],
    frames: Tensor,
    predictions: Tensor,
    targets: Tensor,
    num_frames: Tensor,
    num_targets: Tensor,
    *,
    blank: int = 0,
    fast_emit: float = 0.0,
) -> Tensor:
    """Return the loss (B,), without logits for the padding: it is most of a ragged batch.

    Args:
        joiner: gives logits (N, V) of frames (N, J) and predictions (N, J).
        frames: (B, T, J) float.
        predictions: (B, U + 1, J) float, before each target and after the last.
        targets: as of `transducer_loss`, and so are the others.
        num_frames: (B,) int64.
        num_targets: (B,) int64.
        blank: the symbol that ends a frame.
        fast_emit: see `transducer_loss`.

    The values are those of `transducer_loss`.
    """
    check_lengths(targets, num_frames, num_targets, frames.shape[1])
    rows, times, positions = _valid(num_frames, num_targets, frames.shape[1], targets.shape[1])
    logits = joiner(frames[rows, times], predictions[rows, positions])
    following = torch.nn.functional.pad(targets, (0, 1), value=blank)[rows, positions]
    chosen = logits.gather(1, following[:, None]).squeeze(1)
    total = logits.logsumexp(-1)
    shape = (len(frames), frames.shape[1], predictions.shape[1])
    place = (rows, times, positions)
    blanks = logits.new_zeros(shape).index_put(place, logits[:, blank] - total)
    labels = logits.new_zeros(shape).index_put(place, chosen - total)
    return lattice_loss(blanks, labels[:, :, :-1], num_frames, num_targets, fast_emit=fast_emit)


def _valid(
    num_frames: Tensor, num_targets: Tensor, most_frames: int, most_targets: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return example, frame and position of each place that is not padding, (N,) each."""
    device = num_frames.device
    times = torch.arange(most_frames, device=device) < num_frames[:, None]
    positions = torch.arange(most_targets + 1, device=device) <= num_targets[:, None]
    rows, at, position = (times[:, :, None] & positions[:, None]).nonzero(as_tuple=True)
    return rows, at, position


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
    check_lengths(targets, num_frames, num_targets, frames)
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < symbols:
        raise ValueError(f"targets: expected each in [0, {symbols})")


def check_lengths(
    targets: Tensor, num_frames: Tensor, num_targets: Tensor, most_frames: int
) -> None:
    """Raise `ValueError` if lengths do not fit (B, U) targets and `most_frames`."""
    batch, most_targets = targets.shape
    if num_frames.shape != (batch,) or num_targets.shape != (batch,):
        raise ValueError(
            f"num_frames {tuple(num_frames.shape)}, num_targets {tuple(num_targets.shape)}: "
            f"expected ({batch},)"
        )
    if not batch:
        return
    if int(num_frames.min()) < 1 or int(num_frames.max()) > most_frames:
        raise ValueError(f"num_frames {num_frames.tolist()}: expected each in [1, {most_frames}]")
    if int(num_targets.min()) < 0 or int(num_targets.max()) > most_targets:
        raise ValueError(
            f"num_targets {num_targets.tolist()}: expected each in [0, {most_targets}]"
        )
