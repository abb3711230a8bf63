"""The learned state of each partition of an input, up to the last record that was answered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Message

from agents.errors import UserError
from models.base import ModelError, OnlineModel
from streams.decoding import Decoder
from streams.kafka.positions import CommittedPosition
from streams.kafka.reader import Bounds, TopicReader, record_of
from streams.offsets import OffsetTracker
from streams.records import RecordBatch, TopicPartition
from streams.state.loading import Loaded, load_snapshot
from streams.state.snapshot import Snapshot, StateKey, StateMismatchError, StateStore


@dataclass
class PartitionState:
    """One partition: where its reading continues, and what its model has learned until there."""

    key: StateKey
    position: int
    """The offset of the next record to answer."""
    bounds: Bounds
    """The offsets that the partition holds."""
    committed: CommittedPosition
    """What the group has committed; offset -1: nothing."""
    sequence: int = -1
    """The number after which the next whole snapshot has its number; -1: none is stored."""
    state: bytes | None = None
    """The model's state at `position`; None: it has learned nothing."""
    learned: dict[str, int] = field(default_factory=dict)
    """The sources that it knows, and how many values of each it has learned."""

    @property
    def is_missing(self) -> bool:
        """Whether records were answered, and nothing says what was learned from them."""
        return self.sequence < 0 and self.committed.offset > 0


class StateReader:
    """Reads the states of one agent's partitions."""

    def __init__(
        self,
        store: StateStore,
        reader: TopicReader,
        decoder: Decoder[Any],
        make_model: Callable[[], OnlineModel[Any, Any]],
    ) -> None:
        self._store = store
        self._reader = reader
        self._decoder = decoder
        self._make_model = make_model

    def read(
        self, agent: str, topic: str, num_partitions: int, topic_id: str
    ) -> list[PartitionState]:
        """Return the state of each partition.

        Raises:
            UserError: a snapshot can't be used.
            StateStoreError: the store can't be read.
            BrokerError: the broker can't be read.
        """
        committed = self._reader.committed_positions(topic, num_partitions)
        bounds = self._reader.bounds(topic, num_partitions)
        return [
            self._read(StateKey(agent, topic, p), committed[p], bounds[p], topic_id)
            for p in range(num_partitions)
        ]

    def _read(
        self, key: StateKey, committed: CommittedPosition, bounds: Bounds, topic_id: str
    ) -> PartitionState:
        position = committed.offset if committed.offset >= 0 else bounds.low
        found = PartitionState(key, position, bounds, committed)
        try:
            loaded = load_snapshot(self._store, key, position, topic_id)
            found.sequence = loaded.sequence
            if loaded.snapshot is not None and not loaded.snapshot.is_blank:
                found.state = self._up_to(position, loaded, bounds.low)
                model: Any = self._make_model()
                found.learned = model.learned_values(found.state)
        except (StateMismatchError, ModelError) as error:
            raise UserError(f"{key}: its state can't be moved: {error}") from error
        return found

    def _up_to(self, position: int, loaded: Loaded, low: int) -> bytes:
        """Return a stored state after learning the answered records that came after it."""
        model: Any = self._make_model()
        snapshot = loaded.snapshot
        assert snapshot is not None
        made_by = (snapshot.model, snapshot.model_version, snapshot.learn_every)
        if made_by != (model.name, model.version, model.learn_every):
            raise StateMismatchError(
                "it was made by {} version {} with learn_every {}".format(*made_by)
            )
        if loaded.next_offset == position and not loaded.changes:
            return snapshot.state
        model.load("cpu")
        model.restore(snapshot.state)
        for change in loaded.changes:
            model.restore_changes(change.state)
        start = max(loaded.next_offset, low)
        if start < position:
            for events in self._steps(snapshot, start, position, model.learn_every):
                model.learn_batch(events)
        state: bytes = model.snapshot()
        model.close()
        return state

    def _steps(
        self, snapshot: Snapshot, start: int, stop: int, learn_every: int
    ) -> Iterator[list[Any]]:
        """Yield the events of each learning step of the offsets [start, stop)."""
        events = itertools.chain.from_iterable(
            self._events(snapshot.topic, snapshot.partition, messages)
            for messages in self._reader.read(
                snapshot.topic, snapshot.partition, Bounds(start, stop)
            )
        )
        for _, step in itertools.groupby(events, lambda pair: pair[0] // learn_every):
            yield [event for _, event in step]

    def _events(
        self, topic: str, partition: int, messages: Sequence[Message]
    ) -> Iterator[tuple[int, Any]]:
        """Yield the offset and the event of each record that can be decoded."""
        batch = _record_batch(TopicPartition(topic, partition), messages)
        decoded = self._decoder.decode(batch)
        for row, event in zip(decoded.rows, decoded.events, strict=True):
            yield batch.offsets[row], event

    def num_unread_strangers(self, state: PartitionState, home: Callable[[bytes], int]) -> int:
        """Return how many records that are still to be answered have a key of another partition.

        They came before partitions were added. Once their key's state has moved, the model that
        answers them would not know it.
        """
        bounds = Bounds(max(state.position, state.bounds.low), state.bounds.end)
        keys = (
            message.key()
            for messages in self._reader.read(state.key.topic, state.key.partition, bounds)
            for message in messages
        )
        return sum(isinstance(k, bytes) and home(k) != state.key.partition for k in keys)


def _record_batch(tp: TopicPartition, messages: Sequence[Message]) -> RecordBatch:
    records = [record_of(message) for message in messages]
    return RecordBatch(
        tp=tp,
        span=OffsetTracker().start(tp, [record.offset for record in records], 0),
        timestamps_ms=[record.timestamp_ms for record in records],
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers=[record.headers for record in records],
        arrived=0.0,
    )
