from __future__ import annotations

import pytest

from models.base import ModelError
from models.recommendation.recent_keys import RecentKeys


def see(table: RecentKeys, key: str) -> list[int]:
    """Do as a model does with a key; return the slots that were freed."""
    if table.see(key) >= 0:
        return []
    freed = table.make_room()
    table.add(key)
    return freed


def test_the_keys_seen_least_recently_make_room_and_are_counted() -> None:
    table = RecentKeys(32, "keys")
    for i in range(32):
        see(table, f"k{i}")
    see(table, "k0")
    assert see(table, "new") == [1, 2]  # a sixteenth of the table
    assert table.find("k0") == 0
    assert table.find("k1") == table.find("k2") == -1
    assert table.find("new") == 1
    assert len(table) == 31
    assert (table.take_forgotten(), table.take_forgotten()) == (2, 0)


def test_saved_keys_continue_as_if_nothing_had_happened() -> None:
    table, other = RecentKeys(32, "keys"), RecentKeys(32, "keys")
    for i in range(70):
        see(table, f"k{i * i % 51}")
    other.adopt(table.keys, table.slots, table.num_slots)
    for i in range(70):
        assert see(table, f"k{i * i % 47}") == see(other, f"k{i * i % 47}")
        assert (table.keys, table.slots) == (other.keys, other.slots)


@pytest.mark.parametrize(
    ("keys", "slots", "num_slots"),
    [(["a"], [0, 1], 2), (["a", "a"], [0, 1], 2), (["a", "b"], [1, 1], 2), (["a"], [3], 2)],
)
def test_keys_that_do_not_fit_are_refused(
    keys: list[str], slots: list[int], num_slots: int
) -> None:
    with pytest.raises(ModelError, match="damaged"):
        RecentKeys(32, "keys").adopt(keys, slots, num_slots)
