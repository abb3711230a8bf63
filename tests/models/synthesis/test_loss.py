from __future__ import annotations

import pytest
import torch

from models.synthesis.loss import guided_attention, synthesis_loss
from models.synthesis.tacotron2 import Forced


def test_attention_on_the_diagonal_costs_nothing() -> None:
    lengths = torch.tensor([4])
    diagonal, reversed_order = torch.eye(4)[None], torch.eye(4).flip(0)[None]
    assert guided_attention(diagonal, lengths, lengths) == 0
    assert guided_attention(reversed_order, lengths, lengths) > 0.9


def test_padding_costs_nothing() -> None:
    alignment = torch.zeros(1, 6, 8)
    alignment[0, :4, :4] = torch.eye(4)
    alignment[0, 4:, 0] = 1
    assert guided_attention(alignment, torch.tensor([4]), torch.tensor([4])) == 0


def loss_of(before: torch.Tensor, stops: torch.Tensor) -> float:
    frames = torch.zeros(1, 2, 6)
    forced = Forced(before, before, stops, torch.eye(3)[None])
    return float(synthesis_loss(forced, frames, torch.tensor([4]), torch.tensor([3]), guide=0.0))


def test_frames_and_the_stop_token_count() -> None:
    right = torch.tensor([[-20.0, 20.0, -20.0]])  # two steps of two frames: the second is the last
    frames = torch.zeros(1, 2, 6)
    assert loss_of(frames, right) == pytest.approx(0, abs=1e-6)
    assert loss_of(frames, -right) > 10
    behind = frames.clone()
    behind[:, :, 4:] = 9
    assert loss_of(behind, right) == pytest.approx(0, abs=1e-6)
    # |1| + 1^2 before the post-net, and again after it.
    assert loss_of(frames + 1, right) == pytest.approx(4, abs=1e-5)
