"""From a record batch to events that may wait for the model: decoded, not too old, by bucket."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import InputError
from streams.batching import Chunk
from streams.bucketing import Sorter
from streams.deadlines import Deadline
from streams.decoding import Decoder
from streams.records import RecordBatch


@dataclass(slots=True)
class Read:
    """What became of a record batch's rows: each is in exactly one of the four."""

    chunks: Sequence[tuple[Hashable, Chunk[Any]]]
    """By bucket."""
    failed: Sequence[tuple[int, InputError]]
    tombstones: Sequence[int]
    expired: Chunk[Any] | None = None


class Reader:
    """Reads one agent's record batches; thread-safe."""

    def __init__(
        self,
        decoder: Decoder[Any],
        *,
        is_online: bool = False,
        deadline: Deadline | None = None,
        sorter: Sorter | None = None,
    ) -> None:
        """Say what is done besides decoding.

        Args:
            decoder: of the agent's input.
            is_online: a bucket is a partition, since the model's state belongs to one.
            deadline: events that are older are told apart.
            sorter: measures events and finds their buckets; without one all share one.
        """
        self._decoder = decoder
        self._is_online = is_online
        self._deadline = deadline
        self._sorter = sorter

    def read(self, batch: RecordBatch) -> Read:
        """Decode a record batch and sort its events; never raises."""
        decoded = self._decoder.decode(batch)
        chunk: Chunk[Any] = Chunk(batch, decoded.rows, decoded.events)
        expired = None
        if self._deadline and (late := self._deadline.expired(chunk.events)):
            expired = chunk.pick(late)
            gone = set(late)
            chunk = chunk.pick([i for i in range(len(chunk.events)) if i not in gone])
        if self._sorter and chunk.events:
            measured = self._sorter.sort(chunk)
            buckets: Sequence[tuple[Hashable, Chunk[Any]]] = measured.chunks
            if self._is_online:
                buckets = [(batch.tp, own) for _, own in measured.chunks]
            return Read(buckets, [*decoded.failed, *measured.failed], decoded.tombstones, expired)
        bucket = batch.tp if self._is_online else None
        return Read([(bucket, chunk)], decoded.failed, decoded.tombstones, expired)
