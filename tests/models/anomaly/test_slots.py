"""Slots: a limited number of rows for keys; a key in use keeps its row."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.anomaly import slots as slots_module
from models.anomaly.slots import NO_SLOT, PATIENCE, Slots

STEPS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), max_size=60)


@given(STEPS, st.integers(1, 3))
def test_keys_make_room_by_the_rule(steps: list[list[str]], limit: int) -> None:
    """Compares with one key at a time: a key that stayed away, the lower row of equal ones."""
    slots: Slots[str] = Slots(limit, "letters")
    keys: list[str] = []
    seen: list[int] = []
    now, num_evicted, num_refused = 0, 0, 0
    for step in steps:
        before = list(keys)
        rows, fresh, lost = slots.claim(step)
        now += len(set(step))
        for key in step:
            if key in keys:
                seen[keys.index(key)] = now
        for key in dict.fromkeys(step):
            if key in keys:
                continue
            if len(keys) < limit:
                keys.append(key)
                seen.append(now)
            elif min(seen) <= now - PATIENCE * limit:
                row = seen.index(min(seen))
                keys[row], seen[row] = key, now
                num_evicted += 1
            else:
                num_refused += 1
        assert slots.keys == keys
        assert slots.last_seen[: len(seen)].tolist() == seen
        assert rows == [keys.index(key) if key in keys else NO_SLOT for key in step]
        assert sorted(fresh) == [
            row for row, key in enumerate(keys) if before[row : row + 1] != [key]
        ]
        assert sorted(lost) == sorted(set(before) - set(keys))
    assert slots.take_incidents() == {"evicted_key": num_evicted, "refused_key": num_refused}
    assert slots.take_incidents() == {"evicted_key": 0, "refused_key": 0}


@given(STEPS, st.integers(1, 3))
def test_rows_that_are_known_are_seen_like_their_keys(steps: list[list[str]], limit: int) -> None:
    by_keys: Slots[str] = Slots(limit, "letters")
    by_rows: Slots[str] = Slots(limit, "letters")
    for step in steps:
        by_keys.claim(step)
        rows = by_rows.find(step)
        if NO_SLOT in rows:
            by_rows.claim(step)
        else:
            by_rows.see(rows)
        assert by_rows.keys == by_keys.keys
        assert by_rows.last_seen.tolist() == by_keys.last_seen.tolist()
        assert by_rows.step == by_keys.step


def test_with_one_key_too_many_all_others_keep_their_rows() -> None:
    slots: Slots[int] = Slots(64, "numbers")
    for _ in range(100):
        for key in range(65):
            slots.claim([key])
    assert slots.keys == list(range(64))


def test_a_key_that_stays_away_makes_room() -> None:
    slots: Slots[str] = Slots(2, "letters")
    slots.claim(["a", "b"])
    for _ in range(PATIENCE * 2):
        assert slots.claim(["a"]).lost == []
    assert slots.claim(["c"]).lost == ["b"]
    assert slots.keys == ["a", "c"]


def test_with_more_keys_than_rows_some_get_none() -> None:
    slots: Slots[str] = Slots(2, "letters")
    rows, fresh, lost = slots.claim(["a", "b", "c"])
    assert (rows, fresh, lost) == ([0, 1, NO_SLOT], [0, 1], [])


def test_more_keys_than_rows_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    slots_module._warn_once.cache_clear()
    for _ in range(2):
        slots: Slots[str] = Slots(2, "letters of this test")
        slots.claim(["a", "b"])
        assert len(caplog.records) <= 1
        slots.claim(["c"])
    (record,) = caplog.records
    assert "more than 2 letters of this test (max_keys)" in record.getMessage()
