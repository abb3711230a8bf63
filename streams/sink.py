"""The interface through which results and dead letters are sent, and its errors."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from streams.output_records import PackedRecords
from streams.span import Span


class Output(NamedTuple):
    """Records for one partition of a topic, in order."""

    topic: str
    partition: int
    records: PackedRecords


Rows: TypeAlias = Sequence[tuple[Span, Sequence[int]]]
"""Spans of one input partition, at least one, each with ascending row numbers."""


class RecordSink(Protocol):
    """Sends output records: to Kafka, or to a list in a test."""

    async def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has.

        Raises:
            ProduceError: the topic does not exist, or its metadata can't be read.
        """
        ...

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        """Queue all outputs of some input rows, in order behind earlier outputs to a partition.

        Args:
            rows: the input rows that are finished once the outputs are delivered. Without row
                numbers the outputs finish no row: they accompany other outputs.
            outputs: any number of outputs, none included.

        Returns:
            An awaitable that ends when the outputs are delivered. It raises `ProduceError` if
            the broker rejects them permanently, and `RecordTooLargeError` if a record exceeds
            the limit of the client or the topic: then no record of its producer batch was written.

        Raises:
            ProduceError: the outputs can't be queued.
        """
        ...


class ProduceError(RuntimeError):
    """The broker rejects records permanently; the message names the topic and the reason."""


class RecordTooLargeError(ProduceError):
    """A record is larger than its topic or the client allows."""
