"""Decodes whole record batches into events; failures are returned as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

import msgspec
from msgspec.structs import force_setattr

from schemas import Event, InputError, SchemaError
from schemas.cloudevents import read_attributes
from schemas.codecs import HEADER_CODECS, Codec
from schemas.keys import KeyFormat, key_text
from schemas.mapping.converting import ConvertMapping
from schemas.mapping.envelopes import is_structured
from schemas.mapping.reader import RecordReader
from schemas.values import JsonValues, RecordParts
from streams.payload_limits import Limits
from streams.records import RecordBatch
from streams.settings import LimitSettings

E = TypeVar("E", bound=Event)


@dataclass(slots=True)
class Decoded(Generic[E]):
    """What became of a batch's rows: each row is in exactly one of the four.

    A row with several events has as many entries in `rows`, one after the other.
    """

    rows: Sequence[int] = ()
    events: list[E] = field(default_factory=list)
    """`events[i]` was decoded from row `rows[i]`."""
    failed: list[tuple[int, InputError]] = field(default_factory=list)
    tombstones: list[int] = field(default_factory=list)
    filtered: dict[str, list[int]] = field(default_factory=dict)
    """Rows that need no answer, by reason: those of a declared filter, and those without events."""


class Decoder(Generic[E]):
    """Decodes the input of one agent; thread-safe."""

    reads_files = False

    def __init__(
        self,
        codec: Codec,
        max_record_bytes: int,
        limits: LimitSettings | None = None,
        event_type: type[Event] = Event,
        key_format: KeyFormat = "text",
    ) -> None:
        self._codec = codec
        self._key_format = key_format
        self._limits = Limits(max_record_bytes, limits, codec.name, event_type)
        self._reads_headers = codec.name in HEADER_CODECS
        self._structured = None
        if codec.name == "json" and event_type is not Event:
            self._structured = RecordReader(JsonValues(), ConvertMapping(event_type))
        # A type that needs nothing takes any envelope for an event.
        self._takes_any = not any(field.required for field in msgspec.structs.fields(event_type))

    def decode(self, batch: RecordBatch) -> Decoded[E]:
        """Return the batch's events, failures and tombstones; never raises."""
        return self._decode_all(batch) or self._decode_row_by_row(batch)

    def _decode_all(self, batch: RecordBatch) -> Decoded[E] | None:
        """Fast path: decode a batch without bad records; None if it has any."""
        if self._reads_headers or None in batch.values:
            return None
        values = cast(Sequence[bytes], batch.values)
        headers = batch.headers
        if not self._limits.all_fit(batch, values):
            return None
        try:
            if self._takes_any and self._structured and any(map(is_structured, headers)):
                return None
            events: list[E] = self._codec.decode_all(values)  # type: ignore[assignment]
            for row, event in enumerate(events):
                if not (
                    event.source_id and event.event_time_ms and (event.event_id or not headers[row])
                ):
                    self._limits.check_headers(headers[row])
                    fill_in(event, batch, row, self._key_format)
        except Exception:  # some row is bad: decode row by row to find it
            return None
        return Decoded(range(len(events)), events)

    def _decode_row_by_row(self, batch: RecordBatch) -> Decoded[E]:
        decoded: Decoded[E] = Decoded()
        rows = []
        for row, value in enumerate(batch.values):
            if value is None:
                decoded.tombstones.append(row)
                continue
            try:
                event = self._decode_row(batch, row, value)
            except InputError as error:
                decoded.failed.append((row, error))
            except Exception as error:  # a user's codec or validate() may raise anything
                decoded.failed.append((row, SchemaError(f"{type(error).__name__}: {error}")))
            else:
                rows.append(row)
                decoded.events.append(event)
        decoded.rows = rows
        return decoded

    def _decode_row(self, batch: RecordBatch, row: int, value: bytes) -> E:
        headers = batch.headers[row]
        self._limits.check(batch.keys[row], value)
        if self._reads_headers:
            self._limits.check_headers(headers)
        event: E = self._decode_value(batch, row, value)  # type: ignore[assignment]
        if not (event.source_id and event.event_time_ms and event.event_id):
            self._limits.check_headers(headers)
            fill_in(event, batch, row, self._key_format)
        return event

    def _decode_value(self, batch: RecordBatch, row: int, value: bytes) -> Event:
        """Decode one value; open a structured CloudEvent if it is no event by itself.

        The fast path looks at no header, so an event as it stands is one here too, whatever its
        headers say. Only a type that any object fits needs the headers first.
        """
        headers = batch.headers[row]
        if self._structured is None or not headers:
            return self._codec.decode(value, dict(headers) if headers else {})
        if self._takes_any and is_structured(headers):
            return self._open(self._structured, batch, row, value)
        try:
            return self._codec.decode(value, dict(headers))
        except InputError:
            if not is_structured(headers):
                raise
        return self._open(self._structured, batch, row, value)

    def _open(self, reader: RecordReader, batch: RecordBatch, row: int, value: bytes) -> Event:
        headers = batch.headers[row]
        self._limits.check_headers(headers)
        record = RecordParts(batch.keys[row], headers, batch.timestamps_ms[row])
        events = reader.read(value, record)
        if isinstance(events, str):
            raise SchemaError("the CloudEvent has no data")
        return events[0]


def fill_in(event: Event, batch: RecordBatch, row: int, key_format: KeyFormat) -> None:
    """Fill in an event's missing id, time and source from the record's key, headers and timestamp.

    This changes a frozen event, which is safe: nothing else has a reference to it yet.

    Raises:
        SchemaError: a header that is read is not as CloudEvents has it.
    """
    headers = batch.headers[row]
    attributes = read_attributes(dict(headers)) if headers else None
    if not event.event_id and attributes:
        force_setattr(event, "event_id", attributes.event_id)
    if not event.event_time_ms:
        stated_ms = attributes.event_time_ms if attributes else 0
        force_setattr(event, "event_time_ms", stated_ms or max(batch.timestamps_ms[row], 0))
    if not event.source_id:
        key = key_text(batch.keys[row], key_format)
        force_setattr(event, "source_id", key or (attributes.source_id if attributes else ""))
