"""Shares of channels: they sum to 1, the largest first, and their number is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.contributions import MAX_CHANNELS, Contributions, shares_of


def test_shares_are_of_the_sum_and_the_largest_comes_first() -> None:
    shares = shares_of(np.array([1.0, 6.0, 3.0]), ["a", "b", "c"])
    assert list(shares.items()) == [("b", 0.6), ("c", 0.3), ("a", 0.1)]


def test_equal_parts_keep_the_order_of_the_channels() -> None:
    assert list(shares_of(np.array([1.0, 1.0]), ["z", "a"])) == ["z", "a"]


def test_many_channels_are_cut_off() -> None:
    names = [f"c{i}" for i in range(100)]
    shares = shares_of(np.arange(1.0, 101.0), names)
    assert list(shares) == names[: -MAX_CHANNELS - 1 : -1]
    assert sum(shares.values()) == pytest.approx(sum(range(93, 101)) / 5050, abs=1e-3)


@pytest.mark.parametrize("parts", [[0.0, 0.0], [np.inf, 1.0], []])
def test_nothing_to_share_has_no_shares(parts: list[float]) -> None:
    assert shares_of(np.array(parts), ["a", "b"][: len(parts)]) == {}


def test_readings_have_their_own_channels() -> None:
    contributions = Contributions(3)
    contributions.put(np.array([2, 0]), np.array([[1.0, 3.0], [1.0, 0.0]]), ["a", "b"])
    assert contributions.shares(0) == {"a": 1.0}
    assert contributions.shares(1) == {}
    assert contributions.shares(2) == {"b": 0.75, "a": 0.25}
