"""Answers and state after any number of crashes equal those of a worker that never crashed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas import Event, Feedback
from streams.batching import Chunk, MicroBatch
from streams.model_protocols import IncrementalModel
from streams.offsets import OffsetTracker
from streams.online import OnlineRunner
from streams.records import RecordBatch, TopicPartition
from streams.state.chain import Chain
from streams.state.loading import load_snapshot
from streams.state.snapshot import StateKey, decode_snapshot, encode_snapshot
from tests.fakes import MemoryStore, record_batch
from tests.models.contract import events_for, make_registered, online_params

NUM_EVENTS = 1500
#: More different answers than this; models that report rare things have few.
NUM_ANSWERS = defaultdict(lambda: 10, drift_detector=1, silence_watcher=0)
KEY = StateKey("learn", "numbers", 0)
TP = TopicPartition("numbers", 0)

Log = dict[int, Event]
"""Events by offset; the missing offsets are tombstones, bad records or compacted records."""


class World:
    """The data that survive a crash: log, committed offset, state store, and results sent."""

    def __init__(self, name: str, folder: Path, log: Log) -> None:
        self.name, self.folder, self.log = name, folder, log
        self.end = max(log) + 1
        self.committed = 0
        self.store = MemoryStore()
        self.answers: dict[int, list[Any]] = defaultdict(list)
        self.updates: dict[int, list[Any]] = defaultdict(list)
        self.num_caught_up = 0
        self.num_changes = 0
        """Snapshots restored that contain only what has changed."""

    def worker(self) -> OnlineRunner:
        return OnlineRunner(lambda: make_registered(self.name, self.folder), "cpu")


def run_worker(world: World, dice: random.Random, until: int) -> OnlineRunner:
    """Run one worker from its start until it has answered up to an offset and crashes."""
    runner = world.worker()
    loaded = load_snapshot(world.store, KEY, world.committed)
    chain = Chain(loaded.sequence)
    if loaded.snapshot is None:
        runner.start(TP, world.committed)
        save(world, runner, chain)
        start = world.committed
    else:
        runner.restore(TP, loaded.snapshot, loaded.changes)
        start = loaded.next_offset
        world.num_changes += len(loaded.changes)
    assert start <= world.committed
    answered = world.committed
    for batch in batches(world, start, until, dice):
        answers, updates = runner.answer(batch)
        offsets = [chunk.batch.offsets[row] for chunk in batch.chunks for row in chunk.rows]
        for offset, answer in zip(offsets, answers, strict=True):
            if offset >= world.committed:
                world.answers[offset].append(answer)
            else:
                world.num_caught_up += 1
                assert answer is None
        for update in updates:
            world.updates[update.sequence].append((offsets[update.position], update.value))
        answered = max(answered, offsets[-1] + 1)
        if dice.random() < 0.3:
            world.committed = dice.randint(world.committed, answered)
        if dice.random() < 0.6:
            save(world, runner, chain)
    return runner


def save(world: World, runner: OnlineRunner, chain: Chain) -> None:
    """Store a snapshot if all records that it covers are committed."""
    learned = runner.learned(TP, chain.since)
    assert learned is not None
    if learned.next_offset > world.committed:
        return
    snapshot = chain.snapshot(KEY, "", learned)
    encoded = encode_snapshot(snapshot)
    assert decode_snapshot(encoded) == snapshot
    world.store.save(KEY, snapshot.sequence, encoded, snapshot.base)
    chain.stored(snapshot, learned.mark, len(encoded))


def batches(
    world: World, start: int, until: int, dice: random.Random
) -> Iterator[MicroBatch[Event]]:
    """Cut the log at random into micro-batches of one to three chunks, a catch-up in its own."""
    tracker, catch_up_end = OffsetTracker(), world.committed
    offsets = [offset for offset in world.log if start <= offset < until]
    while offsets:
        chunks: list[Chunk[Event]] = []
        for _ in range(dice.randint(1, 3)):
            size = dice.choice([1, 2, 7, 40, 200])
            taken, offsets = offsets[:size], offsets[size:]
            for part in (
                [offset for offset in taken if offset < catch_up_end],
                [offset for offset in taken if offset >= catch_up_end],
            ):
                if part:
                    chunks.append(chunk_of(world, part, tracker, part[0] < catch_up_end))
        yield MicroBatch(chunks, 0.0)


def chunk_of(
    world: World, offsets: Sequence[int], tracker: OffsetTracker, is_catch_up: bool
) -> Chunk[Event]:
    batch: RecordBatch = record_batch([b"x"] * len(offsets), tracker=tracker, offsets=offsets)
    batch.is_catch_up = is_catch_up
    return Chunk(batch, range(len(offsets)), [world.log[offset] for offset in offsets])


def sparse_log(name: str, folder: Path, dice: random.Random) -> Log:
    """Return a log with gaps, and with late labels if the model learns from those."""
    model = make_registered(name, folder)
    offset, log = -1, {}
    for number, event in enumerate(events_for(model.event_type, NUM_EVENTS)):
        offset += 1 if dice.random() < 0.95 else dice.randint(2, 90)
        log[offset] = event
        if Feedback in model.side_types and number % 2:
            about = list(log)[max(number - 41, 0)]
            label = f"k-{number % 3}"
            log[offset] = Feedback(source_id="c-0", label=label, answer=f"numbers:0:{about}")
    return log


#: One of them is in the quick tests: all three took a third of their time.
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", online_params())
def test_crashes_do_not_change_answers_or_state(name: str, seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    log = sparse_log(name, tmp_path, dice)
    steady, troubled = World(name, tmp_path, log), World(name, tmp_path, log)
    whole = run_worker(steady, random.Random(seed), steady.end).learned(TP)
    for _ in range(25):
        run_worker(troubled, dice, dice.randint(troubled.committed, troubled.end))
    last = run_worker(troubled, dice, troubled.end).learned(TP)
    assert last == whole
    is_incremental = isinstance(make_registered(name, tmp_path), IncrementalModel)
    assert (troubled.num_changes > 0) == is_incremental
    assert troubled.answers.keys() == steady.answers.keys() == log.keys()
    for offset, answers in troubled.answers.items():
        assert answers == steady.answers[offset] * len(answers), offset
    assert troubled.updates.keys() == steady.updates.keys()
    for sequence, values in troubled.updates.items():
        assert values == steady.updates[sequence] * len(values)
    # The test is worth something only if records were caught up and answered twice, and the
    # model learned.
    assert troubled.num_caught_up > 100
    assert max(map(len, troubled.answers.values())) > 1
    assert len({repr(answers[0]) for answers in steady.answers.values()}) > NUM_ANSWERS[name]


def test_without_a_catch_up_the_state_differs(tmp_path: Path) -> None:
    """Starting at the committed offset with the snapshot's state gives another state."""
    name = "robust_zscore"
    log = sparse_log(name, tmp_path, random.Random(1))
    steady, incomplete = World(name, tmp_path, log), World(name, tmp_path, log)
    whole = run_worker(steady, random.Random(1), steady.end).learned(TP)
    run_worker(incomplete, random.Random(2), 1200)
    incomplete.committed = 1200
    drop_below(incomplete, 1200)
    assert run_worker(incomplete, random.Random(3), incomplete.end).learned(TP) != whole


def drop_below(world: World, offset: int) -> None:
    world.log = {key: event for key, event in world.log.items() if key >= offset}
