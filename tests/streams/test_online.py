"""The same log gives the same answers and updates, however the micro-batches are formed."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.batching import Chunk, MicroBatch
from streams.offsets import OffsetTracker
from streams.online import OnlineRunner
from tests.fakes import record_batch


class RunningSum:
    """Answers with the sum of all learned events; its update is the same sum."""

    name, version, learn_every = "running_sum", "1", 5

    def __init__(self) -> None:
        self.total = 0
        self.is_closed = False

    def load(self, device: str = "cpu") -> None: ...
    def warm_up(self) -> None: ...

    def predict_batch(self, batch: Sequence[int]) -> list[int]:
        return [self.total] * len(batch)

    def learn_batch(self, batch: Sequence[int]) -> None:
        if 99 in batch:
            raise ValueError("can't learn 99")
        self.total += sum(batch)

    def update(self) -> int:
        return self.total

    def snapshot(self) -> bytes:
        return b"%d" % self.total

    def restore(self, state: bytes) -> None:
        self.total = int(state)

    def close(self) -> None:
        self.is_closed = True


def run(offsets: list[int], events: list[int], cuts: list[int]) -> tuple[list[Any], list[Any]]:
    runner = OnlineRunner(RunningSum, "cpu")
    tracker = OffsetTracker()
    answers: list[Any] = []
    updates: list[Any] = []
    bounds = [0, *cuts, len(events)]
    for start, stop in itertools.pairwise(bounds):
        if start == stop:
            continue
        batch = record_batch([b"x"] * (stop - start), tracker=tracker, offsets=offsets[start:stop])
        chunk = Chunk(batch, range(stop - start), events[start:stop])
        answered, learned = runner.answer(MicroBatch([chunk], 0.0))
        updates += [(offsets[start + u.position], u.sequence, u.value) for u in learned]
        answers += answered
    runner.close()
    return answers, updates


@given(st.data())
def test_the_cuts_between_micro_batches_make_no_difference(data: st.DataObject) -> None:
    events = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=40))
    steps = data.draw(st.lists(st.integers(1, 3), min_size=len(events), max_size=len(events)))
    offsets = [sum(steps[: i + 1]) for i in range(len(steps))]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(events)), max_size=6)))
    assert run(offsets, events, cuts) == run(offsets, events, [])


def test_score_first_then_learn_in_steps_of_offsets() -> None:
    answers, updates = run(list(range(12)), [1] * 12, [])
    assert answers == [0] * 5 + [5] * 5 + [10] * 2
    assert updates == [(5, 0, 5), (10, 1, 10)]


def test_a_step_that_fails_to_learn_is_skipped() -> None:
    answers, updates = run(list(range(11)), [99] + [1] * 10, [])
    assert answers == [0] * 10 + [5]
    assert updates == [(10, 1, 5)]


def test_without_a_topic_for_updates_none_are_made() -> None:
    made: list[int] = []

    class NotingUpdates(RunningSum):
        def update(self) -> int:
            made.append(self.total)
            return self.total

    runner = OnlineRunner(NotingUpdates, "cpu", makes_updates=False)
    batch = record_batch([b"x"] * 12, tracker=OffsetTracker(), offsets=list(range(12)))
    answers, updates = runner.answer(MicroBatch([Chunk(batch, range(12), [1] * 12)], 0.0))
    assert answers == [0] * 5 + [5] * 5 + [10] * 2
    assert updates == []
    assert made == []


def test_incidents_that_models_report_are_passed_on() -> None:
    class Forgetful(RunningSum):
        def take_incidents(self) -> dict[str, int]:
            return {"evicted_key": self.total, "refused_key": 0}

    reported: list[tuple[str, int]] = []
    runner = OnlineRunner(Forgetful, "cpu", on_incidents=lambda *pair: reported.append(pair))
    batch = record_batch([b"x"] * 12, tracker=OffsetTracker(), offsets=list(range(12)))
    runner.answer(MicroBatch([Chunk(batch, range(12), [1] * 12)], 0.0))
    assert reported == [("evicted_key", 5), ("evicted_key", 10)]


def test_a_partition_that_is_read_again_gets_a_new_model() -> None:
    runner = OnlineRunner(RunningSum, "cpu")

    def answer(offsets: list[int]) -> list[int]:
        batch = record_batch([b"x"] * len(offsets), tracker=OffsetTracker(), offsets=offsets)
        chunk = Chunk(batch, range(len(offsets)), [1] * len(offsets))
        answers, _ = runner.answer(MicroBatch([chunk], 0.0))
        return answers

    assert answer(list(range(10))) == [0] * 5 + [5] * 5
    runner.keep_only({("numbers", 0)})
    assert answer([10, 11]) == [10, 10]
    assert answer([4, 5]) == [0, 1]
    runner.keep_only(set())
    assert answer([6]) == [0]


@pytest.mark.parametrize("seed", range(40))
def test_events_of_other_partitions_make_no_difference(seed: int) -> None:
    """Compares random micro-batches of several partitions with each partition alone."""
    dice = random.Random(seed)
    logs = [[dice.randrange(10) for _ in range(dice.randrange(1, 30))] for _ in range(4)]
    runner, tracker = OnlineRunner(RunningSum, "cpu"), OffsetTracker()
    answers: list[list[Any]] = [[] for _ in logs]
    updates: list[list[Any]] = [[] for _ in logs]
    while any(len(answers[p]) < len(log) for p, log in enumerate(logs)):
        chunks: list[Chunk[int]] = []
        origins: list[tuple[int, int]] = []
        for partition in dice.choices(range(4), k=dice.randrange(1, 6)):
            start = len(answers[partition]) + sum(p == partition for p, _ in origins)
            events = logs[partition][start : start + dice.randrange(1, 8)]
            if events:
                offsets = list(range(start, start + len(events)))
                batch = record_batch(
                    [b"x"] * len(events), tracker=tracker, partition=partition, offsets=offsets
                )
                chunks.append(Chunk(batch, range(len(events)), events))
                origins += [(partition, offset) for offset in offsets]
        answered, learned = runner.answer(MicroBatch(chunks, 0.0)) if chunks else ([], [])
        for (partition, _), answer in zip(origins, answered, strict=True):
            answers[partition].append(answer)
        for update in learned:
            partition, offset = origins[update.position]
            updates[partition].append((offset, update.sequence, update.value))
    for partition, log in enumerate(logs):
        alone = run(list(range(len(log))), log, [])
        assert (answers[partition], updates[partition]) == alone


class Labeled(RunningSum):
    """Keeps what the engine says about the places of its events."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[Any, list[int]]] = []

    def note_offsets(self, partition: Any, offsets: Sequence[int]) -> None:
        self.noted.append((partition, list(offsets)))

    def label_sums(self) -> tuple[float, float]:
        return float(self.total), 2.0 * self.total


@pytest.mark.parametrize("cuts", [[], [1, 4, 5, 9], [7]])
def test_models_with_late_labels_learn_where_their_events_are(cuts: list[int]) -> None:
    models: list[Labeled] = []

    def make() -> Labeled:
        models.append(Labeled())
        return models[-1]

    runner, tracker = OnlineRunner(make, "cpu"), OffsetTracker()
    assert math.isnan(runner.accuracy())
    offsets = [0, 2, 3, 4, 5, 8, 9, 10, 13, 15]
    for start, stop in itertools.pairwise([0, *cuts, len(offsets)]):
        batch = record_batch([b"x"] * (stop - start), tracker=tracker, offsets=offsets[start:stop])
        runner.answer(MicroBatch([Chunk(batch, range(stop - start), [1] * (stop - start))], 0.0))
    steps = [[0, 2, 3, 4], [5, 8, 9], [10, 13]]
    assert models[0].noted == [(("numbers", 0), step) for step in steps]
    assert runner.accuracy() == 0.5
    runner.close()
    assert math.isnan(runner.accuracy())


class ForeseeingSum(RunningSum):
    """A running sum with short steps that sees what follows."""

    learn_every = 1
    seen: list[list[list[int]]]  # of the class, because the runner makes the instances

    def foresee(self, models: Sequence[ForeseeingSum], batches: Sequence[Sequence[int]]) -> None:
        type(self).seen.append([list(batch) for batch in batches])
        if any(99 in batch for batch in batches):
            raise ValueError("can't foresee 99")


def test_a_model_sees_all_events_that_are_not_learned_before_it_is_asked() -> None:
    ForeseeingSum.seen = []
    runner, tracker = OnlineRunner(ForeseeingSum, "cpu"), OffsetTracker()
    answers: list[Any] = []
    for start, events in [(0, [1, 2, 3]), (3, [4, 99]), (5, [6])]:
        offsets = range(start, start + len(events))
        batch = record_batch([b"x"] * len(events), tracker=tracker, offsets=list(offsets))
        answered, _ = runner.answer(MicroBatch([Chunk(batch, range(len(events)), events)], 0.0))
        answers += answered
    # The last event of a batch waits until the next event completes its step.
    assert ForeseeingSum.seen == [[[1, 2, 3]], [[3, 4, 99]], [[99, 6]]]
    assert answers == [0, 1, 3, 6, 10, 10]  # a failure to foresee changes nothing
    runner.close()


def test_partitions_are_foreseen_together() -> None:
    ForeseeingSum.seen = []
    runner = OnlineRunner(ForeseeingSum, "cpu")
    chunks = [
        Chunk(
            record_batch([b"x"] * 2, tracker=OffsetTracker(), offsets=[0, 1], partition=partition),
            range(2),
            [10 * partition, 10 * partition + 1],
        )
        for partition in range(3)
    ]
    runner.answer(MicroBatch(chunks, 0.0))
    assert ForeseeingSum.seen == [[[0, 1], [10, 11], [20, 21]]]
    runner.close()
