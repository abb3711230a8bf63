"""Encoded results of a micro-batch: one output for each input partition, ready to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas import InputError
from streams.output_records import OutputRecords, PackedRecords, Packing
from streams.records import RecordBatch


@dataclass(slots=True)
class EncodedChunk:
    """The encoded results, updates and failures of a chunk's rows."""

    batch: RecordBatch
    rows: Sequence[int] = ()
    """The answered rows, ascending; a row may have no records."""
    records: OutputRecords = field(default_factory=OutputRecords)
    """The results; empty while they are packed in an `EncodedOutput`."""
    record_rows: Sequence[int] = ()
    """For each record, the row that it answers."""
    updates: OutputRecords = field(default_factory=OutputRecords)
    failed: list[tuple[int, InputError]] = field(default_factory=list)


@dataclass(slots=True)
class EncodedOutput:
    """The encoded chunks of one input partition in a micro-batch, sent together.

    Sent one by one, many small chunks would each need a producer batch, and only one batch per
    partition is sent at a time.
    """

    chunks: list[EncodedChunk]
    records: PackedRecords
    updates: PackedRecords

    @classmethod
    def of(cls, chunks: list[EncodedChunk], packing: Packing) -> EncodedOutput:
        """Pack the records of chunks of one partition, in order.

        Args:
            chunks: at least one chunk; their `records` become empty.
            packing: limits and compression of producer batches.
        """
        records = OutputRecords.joined([chunk.records for chunk in chunks]).pack(packing)
        updates = OutputRecords.joined([chunk.updates for chunk in chunks]).pack(packing)
        for chunk in chunks:
            chunk.records = OutputRecords()
        return cls(chunks, records, updates)

    def unpack(self) -> list[EncodedChunk]:
        """Return the chunks, with their records unpacked again."""
        records = self.records.unpack()
        start = 0
        for chunk in self.chunks:
            stop = start + len(chunk.record_rows)
            chunk.records = records.rows(start, stop)
            start = stop
        return self.chunks

    def live(self, packing: Packing) -> EncodedOutput | None:
        """Return the output without chunks that must not be sent; None if none is left.

        Chunks are not sent if the worker has given up their partition, or if they are read again
        only for a model to learn.
        """
        if all(map(_is_live, self.chunks)):
            return self
        chunks = [chunk for chunk in self.unpack() if _is_live(chunk)]
        return EncodedOutput.of(chunks, packing) if chunks else None


def _is_live(chunk: EncodedChunk) -> bool:
    return chunk.batch.span.is_live and not chunk.batch.is_catch_up
