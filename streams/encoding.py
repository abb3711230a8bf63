"""From answers to output records: stamped with their origin, encoded, with CloudEvents headers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec

from schemas import InputError, Origin, Result
from schemas.cloudevents import constant_headers, event_headers, rfc3339_column, type_name
from schemas.codecs import Codec
from schemas.errors import ResultTooLargeError, UnencodableResultError
from streams.batching import Chunk, MicroBatch
from streams.dead_letters import MAX_BYTES
from streams.kafka.record_format import encode_header, header_name, varint
from streams.online import Update
from streams.records import (
    OutputRecord,
    OutputRecords,
    PackedRecords,
    Packing,
    RecordBatch,
    TopicPartition,
)

Headers: TypeAlias = list[tuple[str, bytes]]

#: Of the largest offset: Kafka's are of 64 bits.
_MAX_DIGITS = 19
#: All but the value of a `ce_time` header; an RFC 3339 time with milliseconds has 24 characters.
_TIME = header_name("ce_time") + varint(24)


@dataclass(slots=True)
class Timings:
    """How a micro-batch fared; differs from run to run, so it travels in headers."""

    batch_size: int
    queue_seconds: float
    """Arrival of its oldest event to the model call."""
    model_seconds: float

    def headers(self) -> Headers:
        """Return the header that every result of the batch shares; one, since headers are dear."""
        now_ms = time.time_ns() // 1_000_000
        timing = b"processed=%d;batch=%d;queue=%.6f;model=%.6f"
        told = timing % (now_ms, self.batch_size, self.queue_seconds, self.model_seconds)
        return [("penstock_timing", told)]


@dataclass(slots=True)
class EncodedChunk:
    """What a chunk's rows became."""

    batch: RecordBatch
    rows: Sequence[int] = ()
    """Rows that are answered by `records` (perhaps by none), ascending."""
    records: OutputRecords = field(default_factory=OutputRecords)
    """Empty while they are packed in an `EncodedOutput`."""
    record_rows: Sequence[int] = ()
    """The row that each of the records answers."""
    updates: OutputRecords = field(default_factory=OutputRecords)
    failed: list[tuple[int, InputError]] = field(default_factory=list)


@dataclass(slots=True)
class EncodedOutput:
    """What a micro-batch's chunks of one input partition became, ready to be sent together.

    Sent one by one, many small chunks would each be a producer batch, and of those only one a
    partition is on its way at a time.
    """

    chunks: list[EncodedChunk]
    records: PackedRecords
    updates: PackedRecords

    @classmethod
    def of(cls, chunks: list[EncodedChunk], packing: Packing) -> EncodedOutput:
        """Pack the records of n >= 1 chunks of one partition, in order.

        Args:
            chunks: whose records they are; they are left without.
            packing: into producer batches.
        """
        records = OutputRecords.joined([chunk.records for chunk in chunks]).pack(packing)
        updates = OutputRecords.joined([chunk.updates for chunk in chunks]).pack(packing)
        for chunk in chunks:
            chunk.records = OutputRecords()
        return cls(chunks, records, updates)

    def unpack(self) -> list[EncodedChunk]:
        """Return the chunks with their records."""
        records = self.records.unpack()
        start = 0
        for chunk in self.chunks:
            stop = start + len(chunk.record_rows)
            chunk.records = records.rows(start, stop)
            start = stop
        return self.chunks

    def live(self, packing: Packing) -> EncodedOutput | None:
        """Return what is still this worker's to send; None if nothing is."""
        if all(map(_is_live, self.chunks)):
            return self
        chunks = [chunk for chunk in self.unpack() if _is_live(chunk)]
        return EncodedOutput.of(chunks, packing) if chunks else None


def _is_live(chunk: EncodedChunk) -> bool:
    return chunk.batch.span.is_live and not chunk.batch.is_catch_up


class ModelIdentity(Protocol):
    """Who answers; some models know their version only once they are loaded."""

    @property
    def name(self) -> str:
        """As in the registry."""
        ...

    @property
    def version(self) -> str:
        """Of the weights, or of the code."""
        ...


class ResultEncoder:
    """Encodes one agent's results; thread-safe."""

    def __init__(
        self,
        agent: str,
        codec: Codec,
        model: ModelIdentity,
        packing: Packing | None = None,
    ) -> None:
        self._agent = agent
        self._source = f"penstock/{agent}"
        self._codec = codec
        self._model = model
        self._packing = packing or Packing()

    def encode(
        self,
        batch: MicroBatch[Any],
        answers: Sequence[Any],
        updates: Sequence[Update],
        timings: Timings,
    ) -> list[EncodedOutput]:
        """Encode a micro-batch's answers; one output for each input partition in it.

        Args:
            batch: N events.
            answers: N answers, in the order of the events.
            updates: global updates, by the position of the event that completed each.
            timings: of this batch.
        """
        shared = timings.headers()
        partitions: dict[TopicPartition, list[EncodedChunk]] = {}
        start = 0
        for chunk in batch.chunks:
            stop = start + len(chunk.rows)
            completed = [u for u in updates if start <= u.position < stop]
            encoded = self._encode_chunk(chunk, answers[start:stop], completed, start, shared)
            partitions.setdefault(chunk.batch.tp, []).append(encoded)
            start = stop
        return [EncodedOutput.of(chunks, self._packing) for chunks in partitions.values()]

    def _encode_chunk(
        self,
        chunk: Chunk[Any],
        answers: Sequence[Any],
        updates: Sequence[Update],
        position: int,
        shared: Headers,
    ) -> EncodedChunk:
        encoded = EncodedChunk(chunk.batch)
        for update in updates:
            at = update.position - position
            encoded.updates.append(self._encode_update(update, chunk, at, shared))
        if not self._encode_results(chunk, answers, shared, encoded):
            encoded.records = OutputRecords()
            self._encode_answers(chunk, answers, shared, encoded)
        return encoded

    def _encode_results(
        self, chunk: Chunk[Any], answers: Sequence[Any], shared: Headers, encoded: EncodedChunk
    ) -> bool:
        """Encode a chunk whose every answer is one `Result` of one type; False where not so."""
        kinds = {type(answer) for answer in answers}
        if len(kinds) != 1 or not issubclass(next(iter(kinds)), Result):
            return False
        kind = _kind(answers[0])
        columns = encoded.records
        try:
            columns.values = self._encode_values(chunk, answers)
        except Exception:  # some answer can't be encoded: find out which
            return False
        if max(map(len, columns.values)) > MAX_BYTES:
            return False
        columns.headers = self._chunk_headers(chunk, kind, shared)
        keys = chunk.batch.keys
        columns.keys = [
            key if key is not None else _source_key(event)
            for key, event in zip([keys[row] for row in chunk.rows], chunk.events, strict=True)
        ]
        encoded.rows = encoded.record_rows = chunk.rows
        return True

    def _encode_values(self, chunk: Chunk[Any], answers: Sequence[Any]) -> list[bytes]:
        topic, partition = chunk.batch.tp
        offsets = chunk.batch.offsets
        model, version, encode = self._model.name, self._model.version, self._codec.encode
        values: list[bytes] = []
        for row, event, result in zip(chunk.rows, chunk.events, answers, strict=True):
            # As `_stamp` does. Encoded before the next is stamped: a model may answer several
            # events with one and the same object.
            result.source_id = event.source_id
            result.event_id = event.event_id
            result.event_time_ms = event.event_time_ms
            result.origin = Origin(topic, partition, offsets[row])
            result.model = model
            result.model_version = version
            values.append(encode(result))
        return values

    def _chunk_headers(self, chunk: Chunk[Any], kind: str, shared: Headers) -> list[bytes]:
        """Return each row's encoded headers; what they share is encoded once."""
        topic, partition = chunk.batch.tp
        offsets = chunk.batch.offsets
        constant = [*constant_headers(kind, self._source, self._codec.content_type), *shared]
        before = b"".join(encode_header(*header) for header in constant) + header_name("ce_id")
        with_time, without = (varint(len(constant) + n) + before for n in (2, 1))
        prefix, suffix = f"{topic}:{partition}:".encode(), f":{self._agent}:{kind}:0".encode()
        # An id's length goes by its offset's number of digits.
        lengths = [varint(len(prefix) + n + len(suffix)) for n in range(_MAX_DIGITS + 1)]
        heads = [with_time + length + prefix for length in lengths]
        timed_suffix = suffix + _TIME
        times = rfc3339_column([event.event_time_ms for event in chunk.events])
        join = b"".join
        encoded = []
        for row, at in zip(chunk.rows, times, strict=True):
            offset = b"%d" % offsets[row]
            if at:
                encoded.append(join((heads[len(offset)], offset, timed_suffix, at)))
            else:
                encoded.append(join((without, lengths[len(offset)], prefix, offset, suffix)))
        return encoded

    def _encode_answers(
        self, chunk: Chunk[Any], answers: Sequence[Any], shared: Headers, encoded: EncodedChunk
    ) -> None:
        """Encode answers of any kind, one by one."""
        rows: list[int] = []
        record_rows: list[int] = []
        for row, event, answer in zip(chunk.rows, chunk.events, answers, strict=True):
            if isinstance(answer, InputError):
                encoded.failed.append((row, answer))
                continue
            try:
                records = self._encode_answer(chunk.batch, row, event, answer, shared)
            except ResultTooLargeError as error:
                encoded.failed.append((row, error))
            except Exception as error:  # a user's model may return anything
                encoded.failed.append((row, UnencodableResultError(error)))
            else:
                rows.append(row)
                for record in records:
                    encoded.records.append(record)
                    record_rows.append(row)
        encoded.rows, encoded.record_rows = rows, record_rows

    def _encode_answer(
        self, batch: RecordBatch, row: int, event: Any, answer: Any, shared: Headers
    ) -> list[OutputRecord]:
        if answer is None:
            return []
        results = answer if isinstance(answer, list | tuple) else [answer]
        origin = Origin(*batch.tp, batch.offsets[row])
        where = f"{origin.topic}:{origin.partition}:{origin.offset}:{self._agent}"
        key = batch.keys[row]
        records = []
        for index, result in enumerate(results):
            value = self._codec.encode(self._stamp(result, event, origin))
            if len(value) > MAX_BYTES:
                raise ResultTooLargeError(f"the result has {len(value):,} bytes: {MAX_BYTES:,} fit")
            kind = _kind(result)
            headers = self._headers(kind, f"{where}:{kind}:{index}", event.event_time_ms)
            records.append(
                OutputRecord(_source_key(event) if key is None else key, value, headers + shared)
            )
        return records

    def _encode_update(
        self, update: Update, chunk: Chunk[Any], at: int, shared: Headers
    ) -> OutputRecord:
        batch, event = chunk.batch, chunk.events[at]
        origin = Origin(*batch.tp, batch.offsets[chunk.rows[at]])
        result = self._stamp(update.value, event, origin)
        result.source_id = result.event_id = ""
        result.agent = self._agent
        result.partition = batch.tp.partition
        result.sequence = update.sequence
        key = f"{self._agent}:{batch.tp.partition}"
        headers = self._headers(_kind(result), f"{key}:{update.sequence}", event.event_time_ms)
        return OutputRecord(key.encode(), self._codec.encode(result), headers + shared)

    def _stamp(self, result: Any, event: Any, origin: Origin) -> Any:
        """Fill in where a result comes from; a plain dict gets the same fields as a `Result`."""
        if isinstance(result, Result):
            result.source_id = event.source_id
            result.event_id = event.event_id
            result.event_time_ms = event.event_time_ms
            result.origin = origin
            result.model = self._model.name
            result.model_version = self._model.version
            return result
        fields = msgspec.to_builtins(result)
        if not isinstance(fields, dict):
            raise TypeError(f"a result is a schemas.Result or a dict, not {type(result).__name__}")
        stamped = self._stamp(Result(), event, origin)
        return {**msgspec.to_builtins(stamped), **fields}

    def _headers(self, kind: str, result_id: str, time_ms: int) -> Headers:
        return event_headers(
            event_id=result_id,
            type_name=kind,
            source=self._source,
            time_ms=time_ms,
            content_type=self._codec.content_type,
        )


def _kind(result: Any) -> str:
    return type_name(type(result) if isinstance(result, Result) else Result)


def _source_key(event: Any) -> bytes | None:
    """Return the key of a result whose input record has none."""
    return event.source_id.encode() if event.source_id else None
