"""Models that learn: one instance a partition, in steps cut by offset.

For each step of `learn_every` offsets the model first answers every event of it with its state
frozen, then learns from all of them at once. So the same log gives the same answers and the same
state, however the micro-batches fell. The first record after a step completes it: the step's
update is emitted as that record's, and so is with the broker before that record is finished.

Between two steps a model's state covers exactly what lies below the step under way: that is what a
snapshot tells of. Replayed records, which an earlier worker has answered, are learned from and not
answered again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.batching import Chunk, MicroBatch
from streams.out_of_memory import drop_frames
from streams.predicting import predict_each
from streams.protocols import JoinedModel, LearningModel, ModelFactory
from streams.state.snapshot import Snapshot, StateMismatchError

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Update:
    """What a learning step changed, and which event of the micro-batch completed it."""

    position: int
    """Of the completing event in the micro-batch."""
    sequence: int
    """Number of the step: its offsets divided by `learn_every`."""
    value: Any


class Learned(NamedTuple):
    """A model's state at a moment, and what it covers."""

    next_offset: int
    """Everything below has been learned, nothing at or above it."""
    model: str
    model_version: str
    learn_every: int
    state: bytes


@dataclass(slots=True)
class _PartitionState:
    model: LearningModel
    covered: int
    """Everything below has been learned, nothing at or above it."""
    step: int = -1
    pending: list[Any] = field(default_factory=list)
    """Events of `step`, answered and not yet learned from."""
    next_offset: int = 0
    """Above every offset that was answered."""

    def take_pending(self) -> list[Any]:
        """Return the events of the step that ends, and begin with none."""
        pending, self.pending = self.pending, []
        return pending


@dataclass(slots=True)
class _Run:
    """Consecutive events of one step of one partition: positions [start, stop) of its events."""

    step: int
    start: int
    stop: int


@dataclass(slots=True)
class _Work:
    """What a micro-batch holds of one partition, run by run."""

    state: _PartitionState
    events: list[Any]
    positions: list[int]
    """Of each event, in the micro-batch."""
    runs: deque[_Run]
    num_caught_up: int
    """Events of a catch-up; they come first: their offsets are the lowest."""


class OnlineRunner:
    """Answers micro-batches of any partitions; called from one thread."""

    def __init__(self, factory: ModelFactory, device: str) -> None:
        self._factory = factory
        self._device = device
        self._states: dict[Hashable, _PartitionState] = {}

    def answer(self, batch: MicroBatch[Any]) -> tuple[list[Any], list[Update]]:
        """Answer a micro-batch, each partition by its own model, and learn on the way.

        The partitions go side by side: in each round every one of them finishes a step and answers
        the events of the next, and models that can do so learn and answer in one call for all.

        Returns:
            N answers, None for each event of a catch-up, and the updates of the steps completed.
        """
        answers: list[Any] = [None] * len(batch)
        updates: list[Update] = []
        waiting = self._plan(batch)
        while waiting:
            current = [(work, work.runs.popleft()) for work in waiting]
            updates += self._learn([pair for pair in current if pair[1].step != pair[0].state.step])
            self._answer(current, answers)
            for work, run in current:
                work.state.pending += work.events[run.start : run.stop]
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
            # Of a partition that a rebalance took, nothing is delivered.
            if any(chunk.batch.span.is_live for chunk, _ in chunks)
        ]

    def _work(self, partition: Hashable, chunks: Sequence[tuple[Chunk[Any], int]]) -> _Work:
        offsets = [chunk.batch.offsets[row] for chunk, _ in chunks for row in chunk.rows]
        state = self._state(partition, offsets[0])
        state.next_offset = offsets[-1] + 1
        return _Work(
            state,
            events=[event for chunk, _ in chunks for event in chunk.events],
            positions=[
                position
                for chunk, first in chunks
                for position in range(first, first + len(chunk.events))
            ],
            runs=deque(_Run(*run) for run in _steps(offsets, state.model.learn_every)),
            num_caught_up=sum(len(c.rows) for c, _ in chunks if c.batch.is_catch_up),
        )

    def _learn(self, current: Sequence[tuple[_Work, _Run]]) -> list[Update]:
        """Learn from the steps under way, if any, and begin the next."""
        ended: list[tuple[_Work, _Run, int]] = []
        for work, run in current:
            step, work.state.step = work.state.step, run.step
            if step >= 0:
                work.state.covered = run.step * work.state.model.learn_every
                ended.append((work, run, step))
        pending = [work.state.take_pending() for work, _, _ in ended]
        learned = learn_each([work.state.model for work, _, _ in ended], pending)
        updates = []
        for (work, run, step), has_learned in zip(ended, learned, strict=True):
            value = _update_of(work.state.model) if has_learned else None
            # What an event of a catch-up completed was delivered before that event was finished.
            if value is not None and run.start >= work.num_caught_up:
                updates.append(Update(work.positions[run.start], step, value))
        return updates

    def _answer(self, current: Sequence[tuple[_Work, _Run]], answers: list[Any]) -> None:
        """Answer what is not of a catch-up, each by its partition's model."""
        fresh = [
            (work, max(run.start, work.num_caught_up), run.stop)
            for work, run in current
            if run.stop > work.num_caught_up
        ]
        batches = [work.events[start:stop] for work, start, stop in fresh]
        answered = answer_each([work.state.model for work, _, _ in fresh], batches)
        for (work, start, stop), results in zip(fresh, answered, strict=True):
            for position, result in zip(work.positions[start:stop], results, strict=True):
                answers[position] = result

    def _state(self, partition: Hashable, offset: int) -> _PartitionState:
        """Return a partition's state; a new one if it has learned from this offset already.

        After a rebalance a partition that stays goes on where it was, unless records that were
        answered are read again: to learn from them twice would be worse than to start afresh.
        """
        state = self._states.get(partition)
        if state is not None and offset >= state.next_offset:
            return state
        if state is not None:
            logger.warning("%s is read again from offset %d: its model starts fresh",
                           partition, offset)  # fmt: skip
        return self._put(partition, _PartitionState(self._new_model(), covered=offset))

    def _put(self, partition: Hashable, state: _PartitionState) -> _PartitionState:
        previous = self._states.pop(partition, None)
        if previous is not None:
            previous.model.close()
        self._states[partition] = state
        return state

    def resume(self, partition: Hashable, position: int) -> int | None:
        """Return the offset from which a partition's state can go on, None if it can't.

        It can't where it has answered records at or above `position`, which are to be read again.
        """
        state = self._states.get(partition)
        return None if state is None or state.next_offset > position else state.next_offset

    def start(self, partition: Hashable, position: int) -> None:
        """Let a partition's model start afresh, at the offset that is read next."""
        self._put(partition, _PartitionState(self._new_model(), position, next_offset=position))

    def restore(self, partition: Hashable, snapshot: Snapshot) -> None:
        """Let a partition's model go on from a snapshot.

        Raises:
            StateMismatchError: it was made by another model or version, with other options, or is
                damaged; the partition has no model then.
        """
        model = self._new_model()
        wanted = (model.name, model.version, model.learn_every)
        found = (snapshot.model, snapshot.model_version, snapshot.learn_every)
        try:
            if found != wanted:
                raise StateMismatchError(
                    "it was made by {} version {} with learn_every {}, and the pipeline has {} "
                    "version {} with learn_every {}".format(*found, *wanted)
                )
            model.restore(snapshot.state)
        except Exception as error:  # a user's own model may raise anything
            model.close()
            if isinstance(error, StateMismatchError):
                raise
            raise StateMismatchError(str(error) or type(error).__name__) from error
        at = snapshot.next_offset
        self._put(partition, _PartitionState(model, covered=at, next_offset=at))

    def learned(self, partition: Hashable) -> Learned | None:
        """Return what a partition's model has learned so far, None if it has no model.

        Raises:
            Exception: whatever the model's `snapshot` raises.
        """
        state = self._states.get(partition)
        if state is None:
            return None
        model = state.model
        return Learned(
            state.covered, model.name, model.version, model.learn_every, model.snapshot()
        )

    def _new_model(self) -> LearningModel:
        model = self._factory()
        model.load(self._device)
        assert isinstance(model, LearningModel)
        if isinstance(model, JoinedModel) and self._states:
            model.join(next(iter(self._states.values())).model)
        return model

    def keep_only(self, partitions: set[Hashable]) -> None:
        """Close the models of every other partition."""
        for partition in self._states.keys() - partitions:
            self._states.pop(partition).model.close()

    def close(self) -> None:
        """Close every model."""
        self.keep_only(set())


def answer_each(
    models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]
) -> list[list[Any]]:
    """Answer each batch by its model: in one call where the models can, else one by one."""
    if len(models) > 1 and isinstance(models[0], JoinedModel):
        try:
            answers = models[0].predict_joined(models, batches)
            if [len(part) for part in answers] == [len(batch) for batch in batches]:
                return [list(part) for part in answers]
        except Exception as error:  # some event is bad: find out which, model by model
            drop_frames(error)
    return [
        predict_each(model.predict_batch, batch)
        for model, batch in zip(models, batches, strict=True)
    ]


def learn_each(models: Sequence[LearningModel], batches: Sequence[Sequence[Any]]) -> list[bool]:
    """Let each model learn from its step, in one call where they can; return which have."""
    if len(models) > 1 and isinstance(models[0], JoinedModel):
        try:
            models[0].learn_joined(models, batches)
            return [True] * len(models)
        except Exception as error:  # nothing was learned: find out which step can't be
            drop_frames(error)
    return [_has_learned(model, batch) for model, batch in zip(models, batches, strict=True)]


def _has_learned(model: LearningModel, batch: Sequence[Any]) -> bool:
    try:
        model.learn_batch(batch)
    except Exception:
        logger.exception("model %s can't learn from a step; it goes on", model.name)
        return False
    return True


def _update_of(model: LearningModel) -> Any:
    try:
        return model.update()
    except Exception:
        logger.exception("model %s can't describe what it learned; it goes on", model.name)
        return None


def _steps(offsets: Sequence[int], learn_every: int) -> Iterator[tuple[int, int, int]]:
    """Yield (step, start, stop) for each run of positions whose offsets share a step."""
    start = 0
    while start < len(offsets):
        step = offsets[start] // learn_every
        stop = start + 1
        while stop < len(offsets) and offsets[stop] // learn_every == step:
            stop += 1
        yield step, start, stop
        start = stop
