"""Tokenized texts are grouped by length, padded, and run in passes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.nlu.padded import group_by_length, pad, prepare_texts, run_passes
from models.nlu.tokenizer import Tokens
from models.transfer import HostTransfer
from schemas import InputError

Lengths = st.lists(st.integers(1, 300), max_size=80)


def summed(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Stand in for a network: its answer for a text depends on that text's tokens."""
    return (ids * mask).sum(dim=1, keepdim=True).float()


def test_results_are_in_the_order_of_the_good_texts() -> None:
    bad = InputError("no text")
    slots: list[Tokens | InputError] = [[5, 6, 7], bad, [8], list(range(1, 90)), [9, 9], bad]
    prepared = prepare_texts(slots, 77, HostTransfer())
    assert len(prepared.passes) > 1  # the lengths are far apart
    assert prepared.slots == slots
    sums = run_passes(prepared.passes, summed)
    np.testing.assert_array_equal(sums[:, 0], [18, 8, sum(range(90)), 18])
    assert sums.dtype == np.float32


def test_a_batch_without_good_texts_needs_no_pass() -> None:
    assert prepare_texts([InputError("x")], 0, HostTransfer()).passes == []


def test_texts_are_padded_and_masked() -> None:
    (one,) = prepare_texts([[5, 6, 7], [8]], 77, HostTransfer()).passes
    assert one.ids.tensor().tolist() == [[8, 77, 77], [5, 6, 7]]
    assert one.mask.tensor().tolist() == [[1, 0, 0], [1, 1, 1]]


@given(Lengths)
def test_every_text_is_in_one_group(lengths: list[int]) -> None:
    grouped = [int(i) for group in group_by_length(lengths) for i in group]
    assert sorted(grouped) == list(range(len(lengths)))


@given(Lengths, st.integers(1, 2000))
def test_padding_and_size_of_a_group_are_limited(lengths: list[int], limit: int) -> None:
    for group in group_by_length(lengths, limit):
        chosen = [lengths[i] for i in group]
        assert max(chosen) <= 1.25 * min(chosen) + 4
        assert len(chosen) == 1 or len(chosen) * max(chosen) <= limit


def test_equal_lengths_are_in_one_group() -> None:
    assert len(list(group_by_length([12] * 64))) == 1


def test_the_mask_is_zero_where_a_text_is_padded() -> None:
    ids, mask = pad([[5, 6, 7], [8]], pad_id=9)
    np.testing.assert_array_equal(ids, [[5, 6, 7], [8, 9, 9]])
    np.testing.assert_array_equal(mask, [[1, 1, 1], [1, 0, 0]])
