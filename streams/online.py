"""Models that learn: one instance a partition, in steps cut by offset.

For each step of `learn_every` offsets the model first answers every event of it with its state
frozen, then learns from all of them at once. So the same log gives the same answers and the same
state, however the micro-batches fell. The first record after a step completes it: the step's
update is emitted as that record's, and so is with the broker before that record is finished.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.batching import MicroBatch
from streams.predicting import predict_each
from streams.protocols import LearningModel, ModelFactory

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Update:
    """What a learning step changed, and which event of the micro-batch completed it."""

    position: int
    """Of the completing event in the micro-batch."""
    sequence: int
    """Number of the step: its offsets divided by `learn_every`."""
    value: Any


@dataclass(slots=True)
class _PartitionState:
    model: LearningModel
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
        """Answer a micro-batch whose bucket is its partition, and learn on the way."""
        offsets = _offsets(batch)
        state = self._state(batch.bucket, offsets[0])
        state.next_offset = offsets[-1] + 1
        answers: list[Any] = []
        updates: list[Update] = []
        events = batch.events
        for step, start, stop in _steps(offsets, state.model.learn_every):
            if step != state.step:
                updates += self._learn(state, position=start)
                state.step = step
            answers += predict_each(state.model.predict_batch, events[start:stop])
            state.pending += events[start:stop]
        return answers, updates

    def _state(self, partition: Hashable, offset: int) -> _PartitionState:
        """Return a partition's state; a new one if it has learned from this offset already.

        After a rebalance a partition that stays goes on where it was, unless records that were
        answered are read again: to learn from them twice would be worse than to start afresh.
        """
        state = self._states.get(partition)
        if state is not None and offset >= state.next_offset:
            return state
        if state is not None:
            logger.warning("%s is read again from offset %d: its model starts afresh",
                           partition, offset)  # fmt: skip
            state.model.close()
        state = self._states[partition] = _PartitionState(self._new_model())
        return state

    def _learn(self, state: _PartitionState, position: int) -> list[Update]:
        if state.step < 0:
            return []
        pending, state.pending = state.pending, []
        try:
            state.model.learn_batch(pending)
            value = state.model.update()
        except Exception:
            logger.exception("model %s can't learn from a step; it goes on", state.model.name)
            return []
        return [] if value is None else [Update(position, state.step, value)]

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
