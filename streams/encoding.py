"""From answers to output records: stamped with their origin, encoded, with CloudEvents headers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from schemas import InputError, Origin, Result
from schemas.cloudevents import event_headers, type_name
from schemas.codecs import Codec
from streams.batching import Chunk, MicroBatch
from streams.dead_letters import MAX_BYTES
from streams.online import Update
from streams.records import OutputRecord, RecordBatch


@dataclass(slots=True)
class Timings:
    """How a micro-batch fared; differs from run to run, so it travels in headers."""

    batch_size: int
    queue_seconds: float
    """Arrival of its oldest event to the model call."""
    model_seconds: float

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the headers that every result of the batch shares."""
        return [
            ("penstock_processing_time_ms", b"%d" % (time.time_ns() // 1_000_000)),
            ("penstock_batch_size", b"%d" % self.batch_size),
            ("penstock_queue_seconds", b"%.6f" % self.queue_seconds),
            ("penstock_model_seconds", b"%.6f" % self.model_seconds),
        ]


@dataclass(slots=True)
class EncodedChunk:
    """What a chunk's rows became."""

    batch: RecordBatch
    rows: list[int] = field(default_factory=list)
    """Rows that are answered by `records` (perhaps by none)."""
    records: list[OutputRecord] = field(default_factory=list)
    record_rows: list[int] = field(default_factory=list)
    """The row that each of `records` answers."""
    updates: list[OutputRecord] = field(default_factory=list)
    failed: list[tuple[int, InputError]] = field(default_factory=list)


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

    def __init__(self, agent: str, codec: Codec, model: ModelIdentity) -> None:
        self._agent = agent
        self._source = f"penstock/{agent}"
        self._codec = codec
        self._model = model

    def encode(
        self,
        batch: MicroBatch[Any],
        answers: Sequence[Any],
        updates: Sequence[Update],
        timings: Timings,
    ) -> list[EncodedChunk]:
        """Encode a micro-batch's answers.

        Args:
            batch: N events.
            answers: N answers, in the order of the events.
            updates: global updates, by the position of the event that completed each.
            timings: of this batch.
        """
        shared = timings.headers()
        encoded: list[EncodedChunk] = []
        position = 0
        for chunk in batch.chunks:
            stop = position + len(chunk.rows)
            own = [u for u in updates if position <= u.position < stop]
            encoded.append(self._encode_chunk(chunk, answers[position:stop], own, position, shared))
            position = stop
        return encoded

    def _encode_chunk(
        self,
        chunk: Chunk[Any],
        answers: Sequence[Any],
        updates: Sequence[Update],
        position: int,
        shared: list[tuple[str, bytes]],
    ) -> EncodedChunk:
        encoded = EncodedChunk(chunk.batch)
        for update in updates:
            row, event = (x[update.position - position] for x in (chunk.rows, chunk.events))
            encoded.updates.append(self._encode_update(update, chunk.batch, row, event, shared))
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
                encoded.rows.append(row)
                encoded.records += records
                encoded.record_rows += [row] * len(records)
        return encoded

    def _encode_answer(
        self, batch: RecordBatch, row: int, event: Any, answer: Any, shared: list[tuple[str, bytes]]
    ) -> list[OutputRecord]:
        if answer is None:
            return []
        results = answer if isinstance(answer, list | tuple) else [answer]
        origin = Origin(*batch.tp, batch.offsets[row])
        key = _key(batch, row, event)
        records = []
        for index, result in enumerate(results):
            value = self._codec.encode(self._stamp(result, event, origin))
            if len(value) > MAX_BYTES:
                raise ResultTooLargeError(f"the result has {len(value):,} bytes: {MAX_BYTES:,} fit")
            kind = _kind(result)
            result_id = (
                f"{origin.topic}:{origin.partition}:{origin.offset}:{self._agent}:{kind}:{index}"
            )
            headers = self._headers(kind, result_id, event.event_time_ms)
            records.append(OutputRecord(key, value, headers + shared))
        return records

    def _encode_update(
        self,
        update: Update,
        batch: RecordBatch,
        row: int,
        event: Any,
        shared: list[tuple[str, bytes]],
    ) -> OutputRecord:
        result = self._stamp(update.value, event, Origin(*batch.tp, batch.offsets[row]))
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

    def _headers(self, kind: str, result_id: str, time_ms: int) -> list[tuple[str, bytes]]:
        return event_headers(
            event_id=result_id,
            type_name=kind,
            source=self._source,
            time_ms=time_ms,
            content_type=self._codec.content_type,
        )


class ResultTooLargeError(InputError):
    """The model's result is larger than a record may be."""

    reason = "result_too_large"


class UnencodableResultError(InputError):
    """The model's result can't be written."""

    reason = "unencodable_result"

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the model's result can't be encoded: {type(error).__name__}: {error}")
        self.__cause__ = error


def _kind(result: Any) -> str:
    return type_name(type(result) if isinstance(result, Result) else Result)


def _key(batch: RecordBatch, row: int, event: Any) -> bytes | None:
    key = batch.keys[row]
    if key is None and event.source_id:
        return bytes(event.source_id, "utf-8")
    return key
