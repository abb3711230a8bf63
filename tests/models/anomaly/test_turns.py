"""Turns: no key twice, each key in its order."""

from __future__ import annotations

import numpy as np

from models.anomaly.turns import turns


def test_each_key_keeps_its_order_and_has_one_place_in_a_turn() -> None:
    rows = np.array([3, 1, 3, 3, 1, 7])
    assert [turn.tolist() for turn in turns(rows)] == [[0, 1, 5], [2, 4], [3]]
