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
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streams.batching import MicroBatch
from streams.predicting import predict_each
from streams.protocols import LearningModel, ModelFactory
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


class OnlineRunner:
    """Answers micro-batches of one partition each; called from one thread."""

    def __init__(self, factory: ModelFactory, device: str) -> None:
        self._factory = factory
        self._device = device
        self._states: dict[Hashable, _PartitionState] = {}

    def answer(self, batch: MicroBatch[Any]) -> tuple[list[Any], list[Update]]:
        """Answer a micro-batch whose bucket is its partition, and learn on the way.

        Returns:
            N answers, None for each replayed event, and the updates of the steps completed.
        """
        if not any(chunk.batch.span.is_live for chunk in batch.chunks):
            return [None] * len(batch), []  # a rebalance took the partition; nothing is delivered
        offsets = _offsets(batch)
        state = self._state(batch.bucket, offsets[0])
        state.next_offset = offsets[-1] + 1
        answers: list[Any] = []
        updates: list[Update] = []
        events, num_replayed = batch.events, _num_replayed(batch)
        for step, start, stop in _steps(offsets, state.model.learn_every):
            if step != state.step:
                updates += self._learn(state, step, position=start)
            fresh = max(start, min(num_replayed, stop))
            answers += [None] * (fresh - start)
            if fresh < stop:
                answers += predict_each(state.model.predict_batch, events[fresh:stop])
            state.pending += events[start:stop]
        # What a replayed record completed was with the broker before that record was finished.
        return answers, [update for update in updates if update.position >= num_replayed]

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

    def _learn(self, state: _PartitionState, step: int, position: int) -> list[Update]:
        """Learn from the step under way, if any, and begin the next."""
        learned, state.step = state.step, step
        if learned < 0:
            return []
        state.covered = step * state.model.learn_every
        pending, state.pending = state.pending, []
        try:
            state.model.learn_batch(pending)
            value = state.model.update()
        except Exception:
            logger.exception("model %s can't learn from a step; it goes on", state.model.name)
            return []
        return [] if value is None else [Update(position, learned, value)]

    def _new_model(self) -> LearningModel:
        model = self._factory()
        model.load(self._device)
        assert isinstance(model, LearningModel)
        return model

    def keep_only(self, partitions: set[Hashable]) -> None:
        """Close the models of every other partition."""
        for partition in self._states.keys() - partitions:
            self._states.pop(partition).model.close()

    def close(self) -> None:
        """Close every model."""
        self.keep_only(set())


def _offsets(batch: MicroBatch[Any]) -> list[int]:
    return [chunk.batch.offsets[row] for chunk in batch.chunks for row in chunk.rows]


def _num_replayed(batch: MicroBatch[Any]) -> int:
    """Return how many events in front are replayed: their offsets are the lowest."""
    return sum(len(chunk.rows) for chunk in batch.chunks if chunk.batch.is_replay)


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
