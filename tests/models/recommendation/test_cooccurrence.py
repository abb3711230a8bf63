from __future__ import annotations

import numpy as np

from models.recommendation.cooccurrence import WINDOW, learn_pairs
from models.recommendation.tables import NO_ROW, WAYS, Items


def table(num_items: int, neighbors: int = WAYS) -> Items:
    items = Items(neighbors, 0)
    rows = np.array(items.allocate(num_items))
    items.slots[rows] = np.arange(num_items)
    return items


def together(items: Items, slot: int) -> dict[int, float]:
    """The neighbors of an item with their counts, by slots."""
    row = int(np.flatnonzero(items.slots == slot)[0])
    pairs = zip(items.neighbors[row].tolist(), items.together[row].tolist(), strict=True)
    return {int(items.slots[near]): count for near, count in pairs if near != NO_ROW}


def learn(items: Items, item: int, before: list[int], weight: float = 1.0) -> None:
    row_of = {slot: row for row, slot in enumerate(items.slots.tolist())}
    rows = [row_of[slot] for slot in before] + [NO_ROW] * (WINDOW - len(before))
    learn_pairs(items, np.array([row_of[item]]), np.array([rows]), np.array([weight]))


def test_pairs_count_both_ways_and_less_with_distance() -> None:
    items = table(5)
    learn(items, 0, [1, 2, 0])
    learn(items, 0, [1])
    assert together(items, 0).keys() == {1, 2}
    assert np.isclose(together(items, 0)[1], 2.0)
    assert 0 < together(items, 0)[2] < 1
    assert np.isclose(together(items, 2)[0], together(items, 0)[2])
    assert together(items, 3) == {}


def test_a_full_table_keeps_what_occurs_together_often() -> None:
    items = table(60)
    for other in range(1, 60):
        learn(items, 0, [other], weight=5.0 if other in (7, 30) else 1.0)
    kept = together(items, 0)
    assert len(kept) == WAYS
    assert {7, 30} <= kept.keys()
