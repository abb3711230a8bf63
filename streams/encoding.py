"""Encodes answers into output records, with the record's origin and CloudEvents headers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

import msgspec

from schemas import InputError, Origin, Result
from schemas.cloudevents import event_headers, type_name
from schemas.codecs import Encoder, HeaderEncoder
from schemas.errors import ResultTooLargeError, UnencodableResultError
from streams.batching import Chunk, MicroBatch
from streams.dead_letters import MAX_BYTES
from streams.encoded_output import EncodedChunk, EncodedOutput
from streams.finite_results import are_surely_finite, require_finite
from streams.kafka.positions import id_suffix, result_id
from streams.online import Update
from streams.output_records import OutputRecord, OutputRecords, Packing
from streams.records import RecordBatch, TopicPartition
from streams.result_headers import ResultHeaders
from streams.trace_context import pass_on, sampled_context

Headers: TypeAlias = list[tuple[str, bytes]]


@dataclass(slots=True)
class Timings:
    """Size and times of a micro-batch; they differ from run to run, so they are sent in headers."""

    batch_size: int
    queue_seconds: float
    """Time from the arrival of its oldest event to the model call."""
    model_seconds: float

    def headers(self) -> Headers:
        """Return the header that all results share: only one, because headers cost time."""
        now_ms = time.time_ns() // 1_000_000
        values = (now_ms, self.batch_size, self.queue_seconds, self.model_seconds)
        return [("penstock_timing", b"processed=%d;batch=%d;queue=%.6f;model=%.6f" % values)]


class ModelIdentity(Protocol):
    """A model's name and version; some models know their version only once they are loaded."""

    @property
    def name(self) -> str:
        """The name in the registry."""
        ...

    @property
    def version(self) -> str:
        """The version of the weights, or of the code."""
        ...


class ResultEncoder:
    """Encodes the results of one agent; thread-safe."""

    def __init__(
        self,
        agent: str,
        codec: Encoder,
        model: ModelIdentity,
        packing: Packing | None = None,
    ) -> None:
        self._agent = agent
        self._source = f"penstock/{agent}"
        self._codec = codec
        self._codec_headers = codec.headers_of if isinstance(codec, HeaderEncoder) else None
        self._model = model
        self._packing = packing or Packing()

    def encode(
        self,
        batch: MicroBatch[Any],
        answers: Sequence[Any],
        updates: Sequence[Update],
        timings: Timings,
    ) -> list[EncodedOutput]:
        """Encode a micro-batch's answers into one output for each of its input partitions.

        Args:
            batch: N events.
            answers: N answers, in the order of the events.
            updates: updates to publish, each with the position of the event that completed it.
            timings: size and times of this batch.
        """
        headers = ResultHeaders(
            self._agent, self._source, self._codec.content_type, timings.headers()
        )
        partitions: dict[TopicPartition, list[EncodedChunk]] = {}
        start = 0
        for chunk in batch.chunks:
            stop = start + len(chunk.rows)
            completed = [u for u in updates if start <= u.position < stop]
            encoded = self._encode_chunk(
                chunk, answers[start:stop], completed, start, headers, batch.trace is not None
            )
            partitions.setdefault(chunk.batch.tp, []).append(encoded)
            start = stop
        return [EncodedOutput.of(chunks, self._packing) for chunks in partitions.values()]

    def _encode_chunk(
        self,
        chunk: Chunk[Any],
        answers: Sequence[Any],
        updates: Sequence[Update],
        position: int,
        headers: ResultHeaders,
        is_traced: bool,
    ) -> EncodedChunk:
        encoded = EncodedChunk(chunk.batch)
        for update in updates:
            index = update.position - position
            encoded.updates.append(self._encode_update(update, chunk, index, headers.shared))
        if self._encode_results(chunk, answers, headers, encoded):
            if is_traced:
                pass_on(chunk, encoded.records.headers)
        else:
            encoded.records = OutputRecords()
            self._encode_answers(chunk, answers, headers.shared, encoded, is_traced)
        return encoded

    def _encode_results(
        self,
        chunk: Chunk[Any],
        answers: Sequence[Any],
        headers: ResultHeaders,
        encoded: EncodedChunk,
    ) -> bool:
        """Fast path: encode a chunk of one `Result` per row, all of one type; False otherwise."""
        if chunk.num_records < len(chunk.rows):  # a record has several events
            return False
        if self._codec_headers is not None:  # each record has headers of its own
            return False
        kinds = {type(answer) for answer in answers}
        if len(kinds) != 1 or not issubclass(next(iter(kinds)), Result):
            return False
        if type(answers[0]).record_key is not Result.record_key:
            return False
        kind = _kind(answers[0])
        columns = encoded.records
        try:
            columns.values = self._encode_values(chunk, answers)
        except Exception:  # some answer can't be encoded: `_encode_answers` finds which
            return False
        if max(map(len, columns.values)) > MAX_BYTES:
            return False
        if not are_surely_finite(answers, columns.values, self._codec.content_type):
            return False
        times_ms = [event.event_time_ms for event in chunk.events]
        columns.headers = headers.encode(kind, chunk, times_ms)
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
            # Like `_stamp`. Each result is encoded before the next is stamped, because a model may
            # answer several events with the same object.
            result.source_id = event.source_id
            result.event_id = event.event_id
            result.event_time_ms = event.event_time_ms
            result.origin = Origin(topic, partition, offsets[row])
            result.model = model
            result.model_version = version
            values.append(encode(result))
        return values

    def _encode_answers(
        self,
        chunk: Chunk[Any],
        answers: Sequence[Any],
        shared: Headers,
        encoded: EncodedChunk,
        is_traced: bool,
    ) -> None:
        """Encode answers of any type, one by one.

        A record has one outcome: where an event of it has no answer, none of its results are sent.
        """
        rows: list[int] = []
        record_rows: list[int] = []
        batch_headers = chunk.batch.headers
        for row, pairs in _by_record(chunk, answers):
            context = sampled_context(batch_headers[row]) if is_traced else None
            further = shared if context is None else shared + context.headers
            refused = next((a for _, a in pairs if isinstance(a, InputError)), None)
            if refused is not None:
                encoded.failed.append((row, refused))
                continue
            try:
                records: list[OutputRecord] = []
                for event, answer in pairs:
                    records += self._encode_answer(
                        chunk.batch, row, event, answer, further, len(records)
                    )
            except ResultTooLargeError as error:
                encoded.failed.append((row, error))
            except Exception as error:  # a user's model may return any object
                encoded.failed.append((row, UnencodableResultError(error)))
            else:
                rows.append(row)
                for record in records:
                    encoded.records.append(record)
                    record_rows.append(row)
        encoded.rows, encoded.record_rows = rows, record_rows

    def _encode_answer(
        self,
        batch: RecordBatch,
        row: int,
        event: Any,
        answer: Any,
        shared: Headers,
        first_index: int,
    ) -> list[OutputRecord]:
        """Encode one event's answer; its results are numbered from `first_index`."""
        if answer is None:
            return []
        results = answer if isinstance(answer, list | tuple) else [answer]
        origin = Origin(*batch.tp, batch.offsets[row])
        key = batch.keys[row]
        records = []
        for index, result in enumerate(results, first_index):
            stamped = self._stamp(result, event, origin)
            value = self._codec.encode(stamped)
            require_finite(stamped, value, self._codec.content_type)
            if len(value) > MAX_BYTES:
                raise ResultTooLargeError(
                    f"the result has {len(value):,} bytes; the limit is {MAX_BYTES:,}"
                )
            kind = _kind(result)
            ce_id = result_id(
                origin.topic, batch.topic_id, origin.partition, origin.offset,
                self._agent, kind, index,
            )  # fmt: skip
            headers = self._headers(kind, ce_id, event.event_time_ms)
            if self._codec_headers is not None:
                headers = headers + self._codec_headers(stamped)
            own = result.record_key().encode() if isinstance(result, Result) else b""
            records.append(
                OutputRecord(
                    own or (_source_key(event) if key is None else key), value, headers + shared
                )
            )
        return records

    def _encode_update(
        self, update: Update, chunk: Chunk[Any], index: int, shared: Headers
    ) -> OutputRecord:
        batch, event = chunk.batch, chunk.events[index]
        origin = Origin(*batch.tp, batch.offsets[chunk.rows[index]])
        result = self._stamp(update.value, event, origin)
        result.source_id = result.event_id = ""
        result.agent = self._agent
        result.partition = batch.tp.partition
        result.sequence = update.sequence
        key = f"{self._agent}:{batch.tp.partition}"
        ce_id = f"{key}:{update.sequence}{id_suffix(batch.topic_id)}"
        headers = self._headers(_kind(result), ce_id, event.event_time_ms)
        return OutputRecord(key.encode(), self._codec.encode(result), headers + shared)

    def _stamp(self, result: Any, event: Any, origin: Origin) -> Any:
        """Fill in a result's origin and model; a plain dict gets the same fields as a `Result`."""
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
            raise TypeError(
                f"a result must be a schemas.Result or a dict, not {type(result).__name__}"
            )
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


def _by_record(
    chunk: Chunk[Any], answers: Sequence[Any]
) -> Iterator[tuple[int, list[tuple[Any, Any]]]]:
    """Yield each row of a chunk with its events and their answers."""
    triples = zip(chunk.rows, chunk.events, answers, strict=True)
    for row, group in groupby(triples, key=itemgetter(0)):
        yield row, [(event, answer) for _, event, answer in group]


def _kind(result: Any) -> str:
    return type_name(type(result) if isinstance(result, Result) else Result)


def _source_key(event: Any) -> bytes | None:
    """Return the key of a result whose input record has no key."""
    return event.source_id.encode() if event.source_id else None
