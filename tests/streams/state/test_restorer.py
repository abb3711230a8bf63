"""Learned state that can't be used is said by name, counted, and stops the worker if so set."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streams.state.folder_store import FolderStore
from streams.state.snapshot import StateMismatchError, blank_snapshot, encode_snapshot
from tests.fakes import MemoryStore
from tests.streams.state.test_keeper import KEY, TP, Worker, stored_offsets, until


def mismatches(worker: Worker, reason: str) -> float:
    labels = {"agent": "add", "topic": "numbers", "reason": reason}
    return worker.registry.get_sample_value("penstock_state_mismatch_total", labels) or 0.0


async def learned_store() -> MemoryStore:
    """Return the store of a worker that has learned the records below 10 and answered 13."""
    store = MemoryStore()
    worker = Worker(store)
    await worker.begin(0)
    await worker.answer(0, 13)
    await worker.stop()
    assert stored_offsets(store) == [0, 10]
    return store


async def test_committed_records_without_a_snapshot_end_the_worker() -> None:
    worker = Worker(MemoryStore())
    begun = asyncio.ensure_future(worker.keeper.begin({TP: 13}, [TP]))
    await until(lambda: bool(worker.failures))
    assert not begun.done()  # nothing may be read
    begun.cancel()
    (failure,) = worker.failures
    assert isinstance(failure, StateMismatchError)
    assert "add, numbers:0: the group has committed offset 13" in str(failure)
    assert "`penstock state reset add`" in str(failure)
    assert mismatches(worker, "missing") == 1


async def test_committed_records_without_a_snapshot_start_fresh_if_so_set(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = Worker(MemoryStore(), on_mismatch="fresh")
    assert await worker.keeper.begin({TP: 13}, [TP]) == {TP: 13}
    assert "what its model had learned from the records below is lost" in caplog.text
    assert "its model starts fresh" in caplog.text
    assert mismatches(worker, "missing") == 1


async def test_a_partition_without_answered_records_needs_no_snapshot() -> None:
    for position, committed in [(0, [TP]), (13, [])]:
        worker = Worker(MemoryStore())
        assert await worker.keeper.begin({TP: position}, committed) == {TP: position}
        assert mismatches(worker, "missing") == 0


async def test_after_a_reset_a_fresh_model_is_no_mismatch() -> None:
    store = await learned_store()
    store.delete(KEY)
    store.save(KEY, 0, encode_snapshot(blank_snapshot(KEY)))
    worker = Worker(store)
    assert await worker.keeper.begin({TP: 13}, [TP]) == {TP: 13}
    assert mismatches(worker, "missing") == 0
    assert stored_offsets(store) == [0, 13]


async def test_a_position_behind_every_snapshot_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = await learned_store()
    store.kept[KEY] = store.kept[KEY][1:]  # the snapshot of offset 10 alone
    worker = Worker(store)
    assert await worker.keeper.begin({TP: 7}, [TP]) == {TP: 7}
    assert "reading starts at offset 7, behind every snapshot (10)" in caplog.text
    assert mismatches(worker, "behind") == 1


async def test_what_was_restored_is_logged_with_size_and_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    store = await learned_store()
    worker = Worker(store)
    assert await worker.keeper.begin({TP: 13}, [TP]) == {TP: 10}
    lines = [message for message in caplog.messages if "is restored" in message]
    assert lines[-1].startswith("add: the state of 1 partitions is restored: 2 bytes in ")


async def test_a_fresh_start_after_unreadable_snapshots_is_found_again(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path), "group")
    for sequence in (2**40, 2**40 + 1):  # later than any clock says
        store.save(KEY, sequence, b"damaged")
    fresh = Worker(store, on_mismatch="fresh")
    assert await fresh.keeper.begin({TP: 13}, [TP]) == {TP: 13}
    assert mismatches(fresh, "unfit") == 1
    again = Worker(store)
    assert await asyncio.wait_for(again.keeper.begin({TP: 13}, [TP]), 20) == {TP: 13}
    assert (again.failures, mismatches(again, "unfit")) == ([], 0)
