from __future__ import annotations

import pytest
import torch
from torch import nn

from models.synthesis.tacotron2_decoder import dropout
from tests.models.synthesis.tiny_tacotron2 import tiny_network


def memory_of(rows: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    return torch.randn(rows, size, 16, generator=chance), torch.zeros(rows, size, dtype=torch.bool)


def test_forced_and_free_steps_are_the_same_where_the_frames_are() -> None:
    decoder = tiny_network(dropout=0.0).decoder
    nn.init.constant_(decoder.gate_layer.bias, -9.0)
    memory, outside = memory_of(2, 5)
    spoken = decoder.speak(memory, outside, torch.tensor([4, 4]), seed=0)
    frames, logits, alignments = decoder(memory, outside, spoken.frames)
    torch.testing.assert_close(frames, spoken.frames)
    torch.testing.assert_close(alignments, spoken.alignments)
    assert (logits < 0).all()


def test_a_row_ends_at_its_limit_or_its_stop_token() -> None:
    decoder = tiny_network().decoder
    memory, outside = memory_of(3, 5)
    nn.init.constant_(decoder.gate_layer.bias, -9.0)
    spoken = decoder.speak(memory, outside, torch.tensor([4, 0, 2]), seed=0)
    assert spoken.num_steps.tolist() == [4, 0, 2]
    assert not spoken.has_stopped.any()
    assert spoken.frames.shape == (3, 8, 8)
    nn.init.constant_(decoder.gate_layer.bias, 9.0)
    spoken = decoder.speak(memory, outside, torch.tensor([4, 0, 2]), seed=0)
    assert spoken.num_steps.tolist() == [1, 0, 1]
    assert spoken.has_stopped.tolist() == [True, False, True]


def test_the_seed_decides_what_is_spoken() -> None:
    decoder = tiny_network().decoder
    memory, outside = memory_of(1, 5)
    first, same, other = (
        decoder.speak(memory, outside, torch.tensor([3]), seed).frames for seed in (0, 0, 1)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_masks_of_a_step_do_not_depend_on_their_number() -> None:
    prenet = tiny_network().decoder.prenet
    few, many = prenet.masks(3, 7), prenet.masks(9, 7)
    assert torch.equal(few, many[:3])
    assert set(many.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropout_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    dropped = dropout(torch.ones(50_000), share, is_training=True)
    assert (dropped == 0).float().mean() == pytest.approx(share, abs=0.01)
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    assert (dropout(torch.ones(9), share, is_training=False) == 1).all()
