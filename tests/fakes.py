"""Fakes of a producer, a model and a state store, to test the engine in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from schemas import Event
from streams.kafka.record_format import encode_records
from streams.offsets import OffsetTracker
from streams.output_records import OutputRecord
from streams.records import Headers, RecordBatch, TopicPartition
from streams.sink import Output, RecordTooLargeError, Rows
from streams.state.snapshot import StateKey, StateStoreError


class Number(Event, frozen=True, kw_only=True):
    """An event with one number."""

    x: float


class Doubling:
    """A model that doubles numbers and raises on a batch with 13."""

    name, version = "doubling", "1"

    def __init__(self, sleep_seconds: float = 0.0) -> None:
        self.sleep_seconds = sleep_seconds
        self.batch_sizes: list[int] = []
        self.is_loaded = False
        self.is_closed = False

    def load(self, device: str = "cpu") -> None:
        self.is_loaded = True

    def warm_up(self) -> None:
        pass

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        self.batch_sizes.append(len(batch))
        if self.sleep_seconds:
            time.sleep(self.sleep_seconds)
        if any(event.x == 13 for event in batch):
            raise ArithmeticError("13 brings bad luck")
        return [{"y": 2 * event.x} for event in batch]

    def close(self) -> None:
        self.is_closed = True


class ListSink:
    """Keeps sent records by topic and partition; acknowledges at once, or once `gate` is set."""

    def __init__(self, num_partitions: int = 2, max_bytes: dict[str, int] | None = None) -> None:
        self.records: dict[tuple[str, int], list[OutputRecord]] = {}
        self.num_sends: Counter[str] = Counter()
        """How often records were sent, by topic."""
        self.partitions = num_partitions
        self.max_bytes = max_bytes or {}
        self.gate: Any = None
        """An asyncio.Event that acknowledgments wait for."""

    async def num_partitions(self, topic: str) -> int:
        return self.partitions

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        self.num_sends.update(output.topic for output in outputs)
        for topic, _, packed in outputs:
            limit = self.max_bytes.get(topic)
            if limit is not None and max(map(len, packed.unpack().values)) > limit:
                return _refused(f"over {limit} bytes")
        for topic, partition, packed in outputs:
            records = packed.unpack()
            columns = zip(records.keys, records.values, records.headers, strict=True)
            kept = self.records.setdefault((topic, partition), [])
            kept += [OutputRecord(key, value, decode_headers(head)) for key, value, head in columns]
        return self._acknowledged()

    async def _acknowledged(self) -> None:
        if self.gate is not None:
            await self.gate.wait()

    def topic(self, name: str) -> list[OutputRecord]:
        """All records of a topic, partition by partition."""
        return [r for (topic, _), rs in sorted(self.records.items()) if topic == name for r in rs]


def parse_records(encoded: bytes, num_records: int) -> list[Any]:
    """Parse encoded records with aiokafka's parser, as a consumer does."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 0)
    builder._buffer += encoded
    builder._first_timestamp = builder._max_timestamp = 0
    builder._num_records, builder._last_offset = num_records, num_records - 1
    batch = MemoryRecords(bytes(builder.build())).next_batch()
    assert batch is not None
    assert batch.validate_crc()
    return list(batch)


def decode_headers(packed: bytes) -> list[tuple[str, bytes]]:
    """Decode a record's encoded headers."""
    encoded, _ = encode_records([None], [b""], [packed], 0, 1 << 20)
    (record,) = parse_records(encoded, 1)
    return list(record.headers)


async def _refused(reason: str) -> None:
    raise RecordTooLargeError(reason)


def record_batch(
    values: Sequence[bytes | None],
    *,
    tracker: OffsetTracker,
    partition: int = 0,
    first_offset: int = 0,
    offsets: Sequence[int] | None = None,
    topic: str = "numbers",
    keys: Sequence[bytes | None] | None = None,
    headers: Sequence[Headers] | None = None,
    arrived: float = 0.0,
) -> RecordBatch:
    """Return a record batch as the transport makes it."""
    tp = TopicPartition(topic, partition)
    span = tracker.start(
        tp,
        offsets or range(first_offset, first_offset + len(values)),
        sum(len(value or b"") for value in values),
    )
    return RecordBatch(
        tp=tp,
        span=span,
        timestamps_ms=[1_700_000_000_000 + i for i in range(len(values))],
        keys=keys or [b"k"] * len(values),
        values=values,
        headers=headers or [()] * len(values),
        arrived=arrived,
    )


class MemoryStore:
    """Keeps snapshots in memory; its next `num_failures` calls fail."""

    def __init__(self) -> None:
        self.kept: dict[StateKey, list[bytes]] = {}
        self._is_whole: dict[StateKey, list[bool]] = {}
        self.num_failures = 0
        """How many of the next calls fail."""

    def saved(self, key: StateKey, is_expected: bool = True) -> Iterator[bytes]:
        self._fail_if_due()
        yield from self.kept.get(key, [])[::-1]

    def save(self, key: StateKey, sequence: int, encoded: bytes, base: int | None = None) -> None:
        self._fail_if_due()
        kept = [*self.kept.get(key, []), encoded]
        is_whole = [*self._is_whole.get(key, []), base in (None, sequence)]
        whole = [at for at, each in enumerate(is_whole) if each]
        first = whole[-2] if len(whole) > 1 else 0
        self.kept[key], self._is_whole[key] = kept[first:], is_whole[first:]

    def delete(self, key: StateKey) -> int:
        self._is_whole.pop(key, None)
        return len(self.kept.pop(key, []))

    def close(self) -> None: ...

    def _fail_if_due(self) -> None:
        if self.num_failures:
            self.num_failures -= 1
            raise StateStoreError("the store is away")
