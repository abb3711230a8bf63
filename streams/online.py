"""Runs models that learn: one instance for each partition, in steps of a fixed number of offsets.

In each step of `learn_every` offsets the model first answers all events without changing its state,
then learns from all of them at once. So the same log gives the same answers and the same state,
however the micro-batches are formed. The first record after a step completes the step. The step's
update is sent together with that record's results, so the broker has it before that record is
finished.

Between two calls the state covers exactly the records below the current step; a snapshot stores
this state. Records of a catch-up, which an earlier worker has answered, are learned from but not
answered again.
"""

from __future__ import annotations

import logging
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.batching import Chunk, MicroBatch
from streams.joint_calls import CallModel, answer_each, call_model, foresee_each, learn_each
from streams.model_protocols import IncrementalModel, LearningModel, ModelFactory, SharingModel
from streams.state.snapshot import Snapshot, StateMismatchError

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Update:
    """The result of a learning step, and the event of the micro-batch that completed the step."""

    position: int
    """Position of the completing event in the micro-batch."""
    sequence: int
    """Number of the step: its offsets divided by `learn_every`, rounded down."""
    value: Any


class Learned(NamedTuple):
    """A model's state, or what has changed in it, and the offset up to which it has learned."""

    next_offset: int
    """The model has learned from all records below this offset and from none above."""
    model: str
    model_version: str
    learn_every: int
    state: bytes
    mark: int | None = None
    """The number of this state, for a snapshot of what changes from now on; None: always whole."""
    is_changes: bool = False
    """Whether `state` contains only what has changed since an earlier snapshot."""


@dataclass(slots=True)
class _PartitionState:
    model: LearningModel
    learned_to: int
    """The model has learned from all records below this offset and from none above."""
    step: int = -1
    pending: list[Any] = field(default_factory=list)
    """Events of `step` that are answered and not yet learned from."""
    pending_offsets: list[int] = field(default_factory=list)
    """The offset of each of them, for models that ask for it."""
    next_offset: int = 0
    """The offset after the last answered record."""

    def take_pending(self, partition: Hashable) -> list[Any]:
        """Return the events of the step that ends, and clear them."""
        pending, self.pending = self.pending, []
        if hasattr(self.model, "note_offsets"):
            offsets, self.pending_offsets = self.pending_offsets, []
            self.model.note_offsets(partition, offsets)
        return pending


@dataclass(slots=True)
class _Run:
    """Consecutive events of one step of one partition: positions [start, stop) of its events."""

    step: int
    start: int
    stop: int


@dataclass(slots=True)
class _Work:
    """The events of one partition in a micro-batch, as runs of steps."""

    partition: Hashable
    state: _PartitionState
    events: list[Any]
    offsets: list[int]
    positions: list[int]
    """Position of each event in the micro-batch."""
    runs: deque[_Run]
    num_caught_up: int
    """Number of events of a catch-up. They come first, because their offsets are the lowest."""


class OnlineRunner:
    """Answers micro-batches with one model for each partition; called from one thread."""

    def __init__(
        self,
        factory: ModelFactory,
        device: str,
        makes_updates: bool = True,
        on_incidents: Callable[[str, int], None] = lambda kind, count: None,
        call: CallModel = call_model,
    ) -> None:
        """Make a runner without models.

        Args:
            factory: makes a partition's model.
            device: to load them on.
            makes_updates: whether to ask models for an update after each step. Without a topic for
                them that would be wasted: `online_kmeans` lists all its centers.
            on_incidents: called with each kind of incident that models report, and their number.
            call: makes each call of a model.
        """
        self._on_incidents = on_incidents
        self._call = call
        self._factory = factory
        self._device = device
        self._makes_updates = makes_updates
        self._states: dict[Hashable, _PartitionState] = {}

    def answer(self, batch: MicroBatch[Any]) -> tuple[list[Any], list[Update]]:
        """Answer a micro-batch, each partition with its model, and learn from completed steps.

        The partitions proceed in rounds. In each round every partition completes a step and
        answers the events of the next. Models that support it learn and answer in one call for all
        partitions.

        Returns:
            N answers, None for each event of a catch-up, and the updates of the completed steps.
        """
        answers: list[Any] = [None] * len(batch)
        updates: list[Update] = []
        waiting = self._plan(batch)
        foresee_each(
            [work.state.model for work in waiting],
            [work.state.pending + work.events for work in waiting],
            self._call,
        )
        while waiting:
            current = [(work, work.runs.popleft()) for work in waiting]
            updates += self._learn([pair for pair in current if pair[1].step != pair[0].state.step])
            self._answer(current, answers)
            for work, run in current:
                work.state.pending += work.events[run.start : run.stop]
                if hasattr(work.state.model, "note_offsets"):
                    work.state.pending_offsets += work.offsets[run.start : run.stop]
            waiting = [work for work in waiting if work.runs]
        return answers, updates

    def _plan(self, batch: MicroBatch[Any]) -> list[_Work]:
        parts: dict[Hashable, list[tuple[Chunk[Any], int]]] = {}
        first = 0
        for chunk in batch.chunks:
            parts.setdefault(chunk.batch.tp, []).append((chunk, first))
            first += len(chunk.events)
        return [
            self._work(tp, chunks)
            for tp, chunks in parts.items()
            # Results of a revoked partition would not be delivered.
            if any(chunk.batch.span.is_live for chunk, _ in chunks)
        ]

    def _work(self, partition: Hashable, chunks: Sequence[tuple[Chunk[Any], int]]) -> _Work:
        offsets: list[int] = []
        positions: list[int] = []
        for chunk, first in chunks:
            offsets += map(chunk.batch.offsets.__getitem__, chunk.rows)
            positions += range(first, first + len(chunk.events))
        state = self._state(partition, offsets[0])
        state.next_offset = offsets[-1] + 1
        return _Work(
            partition,
            state,
            offsets=offsets,
            events=[event for chunk, _ in chunks for event in chunk.events],
            positions=positions,
            runs=deque(_Run(*run) for run in _steps(offsets, state.model.learn_every)),
            num_caught_up=sum(len(c.rows) for c, _ in chunks if c.batch.is_catch_up),
        )

    def _learn(self, current: Sequence[tuple[_Work, _Run]]) -> list[Update]:
        """Learn from the steps that end, if any, and begin the next."""
        ended: list[tuple[_Work, _Run, int]] = []
        for work, run in current:
            step, work.state.step = work.state.step, run.step
            if step >= 0:
                work.state.learned_to = run.step * work.state.model.learn_every
                ended.append((work, run, step))
        pending = [work.state.take_pending(work.partition) for work, _, _ in ended]
        models = [work.state.model for work, _, _ in ended]
        learned = learn_each(models, pending, self._call)
        self._report_incidents(models)
        updates: list[Update] = []
        if not self._makes_updates:
            return updates
        for (work, run, step), has_learned in zip(ended, learned, strict=True):
            value = _update_of(work.state.model) if has_learned else None
            # An event of a catch-up was finished after the update that it completed was delivered.
            if value is not None and run.start >= work.num_caught_up:
                updates.append(Update(work.positions[run.start], step, value))
        return updates

    def _report_incidents(self, models: Sequence[LearningModel]) -> None:
        for model in models:
            if not hasattr(model, "take_incidents"):
                continue
            for kind, count in model.take_incidents().items():
                if count:
                    self._on_incidents(kind, count)

    def _answer(self, current: Sequence[tuple[_Work, _Run]], answers: list[Any]) -> None:
        """Answer the events that are not of a catch-up, each with its partition's model."""
        fresh = [
            (work, max(run.start, work.num_caught_up), run.stop)
            for work, run in current
            if run.stop > work.num_caught_up
        ]
        batches = [work.events[start:stop] for work, start, stop in fresh]
        answered = answer_each([work.state.model for work, _, _ in fresh], batches, self._call)
        for (work, start, stop), results in zip(fresh, answered, strict=True):
            positions = work.positions[start:stop]
            if positions[-1] - positions[0] == len(positions) - 1 == len(results) - 1:
                answers[positions[0] : positions[-1] + 1] = results
                continue
            for position, result in zip(positions, results, strict=True):
                answers[position] = result

    def _state(self, partition: Hashable, offset: int) -> _PartitionState:
        """Return a partition's state; a new one if records that it has answered are read again.

        After a rebalance a partition that stays with this worker keeps its state, unless answered
        records are read again: learning from them twice would be worse than a fresh start.
        """
        state = self._states.get(partition)
        if state is not None and offset >= state.next_offset:
            return state
        if state is not None:
            logger.warning("%s is read again from offset %d: its model starts fresh",
                           partition, offset)  # fmt: skip
        return self._put(partition, _PartitionState(self._new_model(), learned_to=offset))

    def _put(self, partition: Hashable, state: _PartitionState) -> _PartitionState:
        previous = self._states.pop(partition, None)
        if previous is not None:
            previous.model.close()
        self._states[partition] = state
        return state

    def resume(self, partition: Hashable, position: int) -> int | None:
        """Return the next offset for a partition's present state, None if it can't be used.

        It can't be used if it has answered records at or above `position`, which are read again.
        """
        state = self._states.get(partition)
        return None if state is None or state.next_offset > position else state.next_offset

    def start(self, partition: Hashable, position: int) -> None:
        """Give a partition a new model; `position` is the offset of the next record."""
        self._put(partition, _PartitionState(self._new_model(), position, next_offset=position))

    def restore(
        self, partition: Hashable, snapshot: Snapshot, changes: Sequence[Snapshot] = ()
    ) -> None:
        """Give a partition a model with the state of a snapshot and of the changes that follow it.

        Raises:
            StateMismatchError: the snapshot is of another model or version, was made with other
                options, or is damaged. The partition's model does not change.
        """
        model = self._new_model()
        configured = (model.name, model.version, model.learn_every)
        stored = (snapshot.model, snapshot.model_version, snapshot.learn_every)
        try:
            if stored != configured:
                raise StateMismatchError(
                    "it was made by {} version {} with learn_every {}, but the pipeline has {} "
                    "version {} with learn_every {}".format(*stored, *configured)
                )
            model.restore(snapshot.state)
            for change in changes:
                model.restore_changes(change.state)  # type: ignore[attr-defined]
        except Exception as error:  # a user's model may raise anything
            model.close()
            if isinstance(error, StateMismatchError):
                raise
            raise StateMismatchError(str(error) or type(error).__name__) from error
        offset = changes[-1].next_offset if changes else snapshot.next_offset
        self._put(partition, _PartitionState(model, learned_to=offset, next_offset=offset))

    def learned(self, partition: Hashable, since: int | None = None) -> Learned | None:
        """Return the state of a partition's model, None if the partition has no model.

        Args:
            partition: whose.
            since: the mark of a snapshot: return only what has changed since, if the model can.

        Raises:
            Exception: any exception of the model's `snapshot` or `snapshot_changes`.
        """
        state = self._states.get(partition)
        if state is None:
            return None
        model, changes, mark = state.model, None, None
        if isinstance(model, IncrementalModel):
            changes = None if since is None else model.snapshot_changes(since)
            mark = model.mark()
        return Learned(
            state.learned_to,
            model.name,
            model.version,
            model.learn_every,
            model.snapshot() if changes is None else changes,
            mark,
            is_changes=changes is not None,
        )

    def _new_model(self) -> LearningModel:
        model = self._factory()
        model.load(self._device)
        assert isinstance(model, LearningModel)
        if isinstance(model, SharingModel) and self._states:
            model.join(next(iter(self._states.values())).model)
        return model

    def accuracy(self) -> float:
        """Return the share of right answers among those that recent labels were about.

        NaN without labels. Thread-safe: metrics are read from another thread.
        """
        sums = [state.model.label_sums() for state in list(self._states.values())]  # type: ignore[attr-defined]
        num_labels = sum(labels for _, labels in sums)
        return sum(right for right, _ in sums) / num_labels if num_labels else math.nan

    def keep_only(self, partitions: set[Hashable]) -> None:
        """Close the models of every other partition."""
        for partition in self._states.keys() - partitions:
            self._states.pop(partition).model.close()

    def close(self) -> None:
        """Close every model."""
        self.keep_only(set())


def _update_of(model: LearningModel) -> Any:
    try:
        return model.update()
    except Exception:
        logger.exception("model %s can't make its update; the update is skipped", model.name)
        return None


def _steps(offsets: Sequence[int], learn_every: int) -> Iterator[tuple[int, int, int]]:
    """Yield (step, start, stop) for each run of positions whose offsets are in one step."""
    start = 0
    while start < len(offsets):
        step = offsets[start] // learn_every
        stop = bisect_left(offsets, (step + 1) * learn_every, start)
        yield step, start, stop
        start = stop
