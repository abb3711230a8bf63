"""Changes since a snapshot give the state that they came from, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models.anomaly.slot_changes import (
    Changed,
    Format,
    Marks,
    changed_since,
    pack_changes,
    replay_slots,
    unpack_changes,
)
from models.anomaly.slots import Slots
from models.base import ModelError
from models.registry import model_class
from schemas import SensorReading
from streams.state.snapshot import Snapshot, encode_snapshot

MODELS: dict[str, dict[str, Any]] = {
    "robust_zscore": {"window": 70, "min_values": 8, "max_keys": 40},
    "half_space_trees": {
        "trees": 5, "depth": 4, "window": 64, "min_values": 8, "max_keys": 20, "max_channels": 3,
    },
    "seasonal_likelihood": {"min_values": 32, "bins": 24, "max_keys": 40},
}  # fmt: skip
FORMAT = Format("m", 1, {}, ("sources",))


def make(name: str, **options: Any) -> Any:
    kind: Any = model_class(name)
    return kind(**(options or {"learn_every": 4, **MODELS[name]}))


def readings(dice: random.Random, sources: int, first: int) -> list[SensorReading]:
    """Return a step's readings: channels come and go."""
    return [
        SensorReading(
            source_id=f"s{dice.randrange(sources)}",
            event_time_ms=1 + (first + i) * 10**7,
            values={c: dice.gauss(0, 1) for c in dice.sample("abcd", dice.choice([1, 2, 2]))},
        )
        for i in range(4)
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", MODELS)
def test_a_state_and_its_changes_give_the_next_state(name: str, seed: int) -> None:
    """With keys that are forgotten and come back, snapshots that fail, and crashes."""
    dice = random.Random(seed)
    model, other = make(name), make(name)
    other.restore(model.snapshot())
    mark, num_evicted, at = model.mark(), 0, 0
    for _ in range(12):
        for _ in range(dice.choice([0, 1, 10, 150])):
            step = readings(dice, dice.choice([6, 30, 60]), at)
            at += len(step)
            model.predict_batch(step)
            model.learn_batch(step)
        num_evicted += model.take_incidents()["evicted_key"]
        if dice.random() < 0.3:
            model.snapshot_changes(mark)  # could not be stored
        other.restore_changes(model.snapshot_changes(mark))
        assert other.snapshot() == model.snapshot()
        mark = model.mark()
        if dice.random() < 0.4:
            model, other = other, make(name)
            other.restore(model.snapshot())
    assert num_evicted > 0


@pytest.mark.parametrize("name", ["robust_zscore", "seasonal_likelihood"])
def test_models_that_share_a_store_have_their_own_changes(name: str) -> None:
    dice = random.Random(1)
    models: Sequence[Any] = [make(name) for _ in range(3)]
    for model in models[1:]:
        model.join(models[0])
    others = [make(name) for _ in models]
    for other, model in zip(others, models, strict=True):
        other.restore(model.snapshot())
    for turn in range(30):
        marks = [model.mark() for model in models]
        steps = [readings(dice, 12, 4 * turn) if dice.random() < 0.7 else [] for _ in models]
        models[0].learn_joined(models, steps)
        for model, other, mark in zip(models, others, marks, strict=True):
            other.restore_changes(model.snapshot_changes(mark))
            assert other.snapshot() == model.snapshot()


@pytest.mark.parametrize("name", MODELS)
def test_changes_that_do_not_follow_the_state_are_refused(name: str) -> None:
    dice, model, other = random.Random(2), make(name), make(name)
    model.snapshot()
    model.learn_batch(readings(dice, 6, 0))
    first = model.snapshot_changes(0)
    mark = model.mark()
    model.learn_batch(readings(dice, 6, 4))
    second = model.snapshot_changes(mark)
    with pytest.raises(ModelError, match="a snapshot in between is missing"):
        other.restore_changes(second)
    other.restore_changes(first)
    for wrong in (first, model.snapshot(), second[:-1], b""):
        with pytest.raises(ModelError):
            other.restore_changes(wrong)
    with pytest.raises(ModelError, match=r"changes"):
        make(name).restore(second)


@pytest.mark.parametrize("name", ["robust_zscore", "half_space_trees"])
def test_an_unknown_mark_asks_for_a_whole_snapshot(name: str) -> None:
    model = make(name)
    model.snapshot()
    model.learn_batch(readings(random.Random(3), 6, 0))
    assert model.snapshot_changes(0) is not None
    assert model.snapshot_changes(1) is None


@pytest.mark.parametrize("name", MODELS)
def test_taking_a_snapshot_apart_forgets_no_mark(name: str) -> None:
    model = make(name)
    model.learn_batch(readings(random.Random(4), 6, 0))
    state, mark = model.snapshot(), model.mark()
    model.merge_sources([model.select_sources(state, list(model.learned_values(state)))])
    model.learn_batch(readings(random.Random(5), 6, 4))
    assert model.snapshot_changes(mark) is not None


def test_one_changed_key_of_100_000_is_stored_in_few_bytes() -> None:
    model = make("robust_zscore", max_keys=100_000)
    batch = [SensorReading(source_id=f"s{i}", values={"v": float(i)}) for i in range(100_000)]
    for _ in range(3):
        model.learn_batch(batch)
    whole, mark = model.snapshot(), model.mark()
    model.learn_batch(batch[777:778])
    changes = model.snapshot_changes(mark)
    assert len(whole) > 10_000_000
    assert len(changes) < 1000

    def stored(state: bytes) -> int:
        return len(
            encode_snapshot(
                Snapshot(
                    agent="a", topic="t", partition=0, next_offset=1, sequence=1, model="m",
                    model_version="1", learn_every=1, saved_at_ms=1, state=state,
                )
            )
        )  # fmt: skip

    assert stored(changes) < 1000
    assert stored(whole) < 0.5 * len(whole)


def test_only_the_new_values_of_a_window_are_stored() -> None:
    """All sensors have changed since the last snapshot, as is usual."""
    model = make("robust_zscore", max_keys=1000, min_values=8)
    batch = [SensorReading(source_id=f"s{i}", values={"v": float(i)}) for i in range(1000)]
    for _ in range(500):
        model.learn_batch(batch)
    whole, mark = model.snapshot(), model.mark()
    for _ in range(10):
        model.learn_batch(batch)
    # 8 bytes for each new value, and the statistics of each channel.
    assert len(model.snapshot_changes(mark)) < 1000 * (10 * 8 + 200)
    assert len(whole) > 1000 * 500 * 8


def test_rows_that_do_not_follow_the_present_ones_are_refused() -> None:
    slots: Slots[tuple[str, ...]] = Slots(4, "keys")
    slots.claim([("a",)])
    behind: Slots[tuple[str, ...]] = Slots(4, "keys")
    gap = Changed(np.array([1]), np.array([True]))
    with pytest.raises(ModelError, match="do not fit"):
        unpack_changes(pack_changes(FORMAT, grown_by(slots, "b"), 0, gap, {}), FORMAT, behind)
    changes = pack_changes(FORMAT, slots, 0, changed_since(slots, 0), {})
    saved, changed = unpack_changes(changes, FORMAT, behind)
    replay_slots(saved, FORMAT, behind, changed)
    assert behind.keys == slots.keys
    assert behind.find([("a",), ("b",)]) == [0, 1]


def grown_by(slots: Slots[tuple[str, ...]], key: str) -> Slots[tuple[str, ...]]:
    slots.claim([(key,)])
    return slots


def test_marks_forget_all_but_those_that_are_named() -> None:
    marks = Marks()
    for mark in (1, 2, 3):
        marks.keep(mark, np.array([mark]))
    marks.keep(4, np.array([4]), 3)
    assert [mark in marks for mark in range(5)] == [False, False, False, True, True]
    changed = Changed(np.array([0, 1]), np.array([False, True]))
    assert marks.totals_at(3, changed).tolist() == [3, 0]
