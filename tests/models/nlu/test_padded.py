"""Tokenized texts in passes: each once, in their order, bad ones left out."""

from __future__ import annotations

import numpy as np
import torch

from models.nlu.padded import prepare_texts, run_passes
from models.nlu.tokenizer import Tokens
from models.transfer import HostTransfer
from schemas import InputError


def summed(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Stands for a network: what it says of a text depends on its own tokens."""
    return (ids * mask).sum(dim=1, keepdim=True).float()


def test_every_good_text_is_answered_in_its_place() -> None:
    bad = InputError("no text")
    slots: list[Tokens | InputError] = [[5, 6, 7], bad, [8], list(range(1, 90)), [9, 9], bad]
    prepared = prepare_texts(slots, 77, HostTransfer())
    assert len(prepared.passes) > 1  # the lengths are far apart
    assert prepared.slots == slots
    found = run_passes(prepared.passes, summed)
    np.testing.assert_array_equal(found[:, 0], [18, 8, sum(range(90)), 18])
    assert found.dtype == np.float32


def test_without_a_good_text_there_is_no_pass() -> None:
    assert prepare_texts([InputError("x")], 0, HostTransfer()).passes == []


def test_padding_is_masked() -> None:
    (one,) = prepare_texts([[5, 6, 7], [8]], 77, HostTransfer()).passes
    assert one.ids.tensor().tolist() == [[8, 77, 77], [5, 6, 7]]
    assert one.mask.tensor().tolist() == [[1, 0, 0], [1, 1, 1]]
