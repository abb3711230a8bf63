"""The loss that trains Tacotron 2."""

from __future__ import annotations

import torch
from torch.nn import functional

from models.synthesis.tacotron2 import Forced, positions_within

#: Steps at which speech ends are rare: so much more each of them counts.
_STOP_WEIGHT = 5.0
#: Width of the diagonal that attention is guided to, as a share of the text.
_DIAGONAL_WIDTH = 0.1


def synthesis_loss(
    forced: Forced,
    frames: torch.Tensor,
    num_frames: torch.Tensor,
    num_symbols: torch.Tensor,
    guide: float,
) -> torch.Tensor:
    """Return the loss of a batch, a scalar.

    Args:
        forced: of the network.
        frames: (B, num_mels, T) the true ones.
        num_frames: (B,) int64, multiples of `frames_per_step`.
        num_symbols: (B,) int64.
        guide: weight of the guided attention.

    The distance of frames before and after the post-net, absolute and squared; the stop token; and
    attention away from the diagonal (Tachibana et al., 2017, arXiv:1710.08969).
    """
    exists = positions_within(num_frames, frames.shape[2]).unsqueeze(1)
    share = exists.sum() * frames.shape[1]
    loss = frames.new_zeros(())
    for predicted in (forced.before, forced.after):
        difference = (predicted - frames) * exists
        loss = loss + (difference.abs().sum() + difference.square().sum()) / share
    num_steps = num_frames * forced.stop_logits.shape[1] // frames.shape[2]
    return (
        loss
        + _stop_loss(forced.stop_logits, num_steps)
        + guide * guided_attention(forced.alignments, num_steps, num_symbols)
    )


def _stop_loss(logits: torch.Tensor, num_steps: torch.Tensor) -> torch.Tensor:
    steps = torch.arange(logits.shape[1], device=logits.device)
    is_last = (steps == num_steps[:, None] - 1).to(logits)
    exists = steps < num_steps[:, None]
    return functional.binary_cross_entropy_with_logits(
        logits[exists], is_last[exists], pos_weight=logits.new_tensor(_STOP_WEIGHT)
    )


def guided_attention(
    alignments: torch.Tensor, num_steps: torch.Tensor, num_symbols: torch.Tensor
) -> torch.Tensor:
    """Return how far attention is from the diagonal: 0 on it, at most 1.

    Args:
        alignments: (B, steps, S).
        num_steps: (B,) int64.
        num_symbols: (B,) int64.
    """
    _, steps, symbols = alignments.shape
    device = alignments.device
    at_step = torch.arange(steps, device=device)[None, :, None] / num_steps[:, None, None]
    at_symbol = torch.arange(symbols, device=device)[None, None, :] / num_symbols[:, None, None]
    away = 1 - torch.exp(-((at_step - at_symbol) ** 2) / (2 * _DIAGONAL_WIDTH**2))
    exists = positions_within(num_steps, steps).unsqueeze(2)
    return (alignments * away * exists).sum() / num_steps.sum()
