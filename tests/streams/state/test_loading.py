"""Which snapshots a worker continues from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import accumulate

import msgspec
import pytest

from streams.state.loading import Loaded, load_snapshot
from streams.state.snapshot import (
    Snapshot,
    StateKey,
    StateMismatchError,
    encode_snapshot,
)
from tests.fakes import MemoryStore

KEY = StateKey("score", "readings", 3)


def snapshot(next_offset: int, sequence: int = 0, state: bytes = b"state") -> Snapshot:
    return Snapshot(
        agent=KEY.agent, topic=KEY.topic, partition=KEY.partition, next_offset=next_offset,
        sequence=sequence, model="m", model_version="1", learn_every=16, saved_at_ms=1, state=state,
    )  # fmt: skip


def store_of(*encoded: bytes) -> MemoryStore:
    store = MemoryStore()
    for sequence, each in enumerate(encoded):
        store.save(KEY, sequence, each)
    return store


def chain(base: int, *offsets: int) -> list[Snapshot]:
    """Return a whole snapshot with number `base` and changes, which cover these offsets."""
    return [
        msgspec.structs.replace(
            snapshot(offset, base + n),
            base=base,
            snapshot_id=f"{base}.{n}",
            follows=f"{base}.{n - 1}" if n else "",
        )
        for n, offset in enumerate(offsets)
    ]


def store_of_chains(parts: Sequence[Snapshot]) -> MemoryStore:
    store = MemoryStore()
    for part in parts:
        store.save(KEY, part.sequence, encode_snapshot(part), part.base)
    return store


def test_the_latest_snapshot_below_the_committed_offset_is_loaded() -> None:
    older, newer = snapshot(100, 4), snapshot(200, 5)
    store = store_of(encode_snapshot(older), encode_snapshot(newer))
    assert load_snapshot(store, KEY, 250) == Loaded(newer, 5)
    assert load_snapshot(store, KEY, 200) == Loaded(newer, 5)
    assert load_snapshot(store, KEY, 199) == Loaded(older, 5)


def test_without_a_usable_snapshot_none_is_loaded() -> None:
    assert load_snapshot(MemoryStore(), KEY, 250) == Loaded(None, -1)
    store = store_of(encode_snapshot(snapshot(100, 4)), encode_snapshot(snapshot(200, 5)))
    assert load_snapshot(store, KEY, 99) == Loaded(None, 5, (200, 100))


def test_one_damaged_snapshot_is_skipped_but_not_two() -> None:
    good, bad = encode_snapshot(snapshot(100, 4)), encode_snapshot(snapshot(200, 5))[:-1]
    assert load_snapshot(store_of(good, bad), KEY, 250).snapshot == snapshot(100, 4)
    with pytest.raises(StateMismatchError, match="score, readings:3: a damaged snapshot"):
        load_snapshot(store_of(good[:-1], bad), KEY, 250)


def test_a_snapshot_of_an_earlier_topic_is_never_taken() -> None:
    """Its offset is below the committed one only by chance."""
    old = msgspec.structs.replace(snapshot(100, 4), topic_id="AAAAAAAAAAAAAAAAAAAAAA")
    store = store_of(encode_snapshot(old))
    found = load_snapshot(store, KEY, 250, "BBBBBBBBBBBBBBBBBBBBBB")
    assert found == Loaded(None, 4, num_of_earlier_topic=1)
    assert load_snapshot(store, KEY, 250, old.topic_id) == Loaded(old, 4)
    assert load_snapshot(store, KEY, 250, "") == Loaded(old, 4)


def test_a_chain_is_loaded_as_far_as_it_is_committed() -> None:
    older, newer = chain(4, 100, 120, 140), chain(7, 200, 220, 240, 260)
    store = store_of_chains([*older, *newer])
    expected = {
        1000: newer,
        260: newer,
        259: newer[:3],
        200: newer[:1],
        199: older,
        139: older[:2],
        100: older[:1],
    }
    for committed, parts in expected.items():
        loaded = load_snapshot(store, KEY, committed)
        assert [loaded.snapshot, *loaded.changes] == parts
        assert loaded.next_offset == parts[-1].next_offset
        assert loaded.num_damaged == 0
        assert loaded.sequence == 11  # the next whole snapshot is 12: even, since 7 is odd
    assert load_snapshot(store, KEY, 99) == Loaded(None, 11, (200, 100))


@pytest.mark.parametrize("lost", [1, 2, 3])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_chain_ends_where_changes_are_lost_or_damaged(
    lost: int, is_damaged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [*chain(0, 10, 20), *chain(3, 100, 120, 140, 160)]
    encoded = [encode_snapshot(part) for part in parts]
    at = 2 + lost
    store = MemoryStore()
    for part, each in zip(parts, encoded, strict=True):
        if part is parts[at]:
            if is_damaged:
                store.save(KEY, part.sequence, each[:-1], part.base)
            continue
        store.save(KEY, part.sequence, each, part.base)
    with caplog.at_level(logging.WARNING):
        loaded = load_snapshot(store, KEY, 1000)
    assert [loaded.snapshot, *loaded.changes] == parts[2:at]
    # What is lost at the end of a chain was never there, as far as anyone can tell.
    assert loaded.num_damaged == 3 - lost + is_damaged
    assert bool(caplog.messages) == (loaded.num_damaged > 0)


def test_without_their_whole_snapshot_changes_are_of_no_use() -> None:
    older, newer = chain(0, 10, 20), chain(3, 100, 120, 140)
    loaded = load_snapshot(store_of_chains([*older, *newer[1:]]), KEY, 1000)
    assert [loaded.snapshot, *loaded.changes] == older
    assert loaded.num_damaged == 2
    loaded = load_snapshot(store_of_chains(newer[1:]), KEY, 1000)
    assert loaded.snapshot is None
    assert loaded.num_damaged == 2


def test_changes_of_a_worker_that_had_lost_the_partition_are_not_joined() -> None:
    """It wrote the third part again, after the worker that had taken over."""
    mine = chain(0, 10, 20, 30, 40)
    late = msgspec.structs.replace(mine[2], snapshot_id="late", follows="0.x", next_offset=25)
    loaded = load_snapshot(store_of_chains([*mine[:2], late, mine[3]]), KEY, 1000)
    assert [loaded.snapshot, *loaded.changes] == mine[:2]
    assert loaded.num_damaged == 2


def test_chains_take_odd_and_even_numbers_in_turn() -> None:
    lengths = [1, 2, 5, 4, 1, 1, 3]
    store, last = MemoryStore(), -1
    bases = []
    for length in lengths:
        number = load_snapshot(store, KEY, 10**6).sequence + 1
        assert number > last
        bases.append(number)
        for part in chain(number, *accumulate([10 * number, *[1] * (length - 1)])):
            store.save(KEY, part.sequence, encode_snapshot(part), part.base)
            last = part.sequence
    assert [base % 2 for base in bases] == [0, 1, 0, 1, 0, 1, 0]
