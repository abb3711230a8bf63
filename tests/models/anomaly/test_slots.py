"""Slots: a limited number of rows for keys; the least recently seen is dropped first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.anomaly import slots as slots_module
from models.anomaly.slots import NO_SLOT, Slots


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=12), st.integers(1, 5))
def test_rows_are_unique_limited_and_belong_to_the_latest_keys(
    steps: list[list[str]], limit: int
) -> None:
    slots: Slots[str] = Slots(limit, "letters")
    seen: dict[str, int] = {}
    for number, step in enumerate(steps):
        before = dict(zip(slots.keys, slots.find(slots.keys), strict=True))
        rows, fresh, lost_keys = slots.claim(step)
        seen |= dict.fromkeys(step, number)
        held = slots.find(slots.keys)
        assert held == list(range(len(slots.keys)))
        assert len(held) == min(limit, len(set(before) | set(step)))
        assert rows == slots.find(step)
        for key, row in zip(slots.keys, held, strict=True):
            assert row in fresh or before[key] == row
        assert set(before) - set(slots.keys) <= set(lost_keys)
        lost = [when for key, when in seen.items() if key not in slots.keys]
        assert max(lost, default=-1) <= min((seen[key] for key in slots.keys), default=0)


def test_with_more_keys_than_rows_some_get_none() -> None:
    slots: Slots[str] = Slots(2, "letters")
    rows, fresh, lost = slots.claim(["a", "b", "c"])
    assert lost == ["a"]
    assert rows == [NO_SLOT, 1, 0]
    assert sorted(set(fresh)) == [0, 1]


def test_more_keys_than_rows_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    slots_module._warn_once.cache_clear()
    for _ in range(2):
        slots: Slots[str] = Slots(2, "letters of this test")
        slots.claim(["a", "b"])
        assert len(caplog.records) <= 1
        slots.claim(["c"])
    (record,) = caplog.records
    assert "more than 2 letters of this test (max_keys)" in record.getMessage()


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=12), st.integers(1, 5))
def test_keys_make_room_one_after_another(steps: list[list[str]], limit: int) -> None:
    """Compares with one key at a time: the row seen least recently, the lower of equal ones."""
    slots: Slots[str] = Slots(limit, "letters")
    keys: list[str] = []
    seen: list[int] = []
    for number, step in enumerate(steps, 1):
        slots.claim(step)
        for key in step:
            if key in keys:
                seen[keys.index(key)] = number
        for key in dict.fromkeys(step):
            if key in keys:
                continue
            if len(keys) < limit:
                keys.append(key)
                seen.append(number)
            else:
                row = seen.index(min(seen))
                keys[row], seen[row] = key, number
        assert slots.keys == keys
        assert slots.last_seen[: len(seen)].tolist() == seen
