from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.nlu.buckets import length_buckets, pad

Lengths = st.lists(st.integers(1, 300), max_size=80)


@given(Lengths)
def test_every_text_is_in_one_bucket(lengths: list[int]) -> None:
    found = [int(i) for bucket in length_buckets(lengths) for i in bucket]
    assert sorted(found) == list(range(len(lengths)))


@given(Lengths, st.integers(1, 2000))
def test_padding_and_size_of_a_bucket_are_bounded(lengths: list[int], limit: int) -> None:
    for bucket in length_buckets(lengths, limit):
        chosen = [lengths[i] for i in bucket]
        assert max(chosen) <= 1.25 * min(chosen) + 4
        assert len(chosen) == 1 or len(chosen) * max(chosen) <= limit


def test_equal_lengths_share_one_bucket() -> None:
    assert len(list(length_buckets([12] * 64))) == 1


def test_pad_masks_what_is_not_there() -> None:
    ids, mask = pad([[5, 6, 7], [8]], pad_id=9)
    np.testing.assert_array_equal(ids, [[5, 6, 7], [8, 9, 9]])
    np.testing.assert_array_equal(mask, [[1, 1, 1], [1, 0, 0]])
