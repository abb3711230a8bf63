"""Decodes whole record batches into events; failures are returned as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from msgspec.structs import force_setattr

from schemas import Event, InputError, SchemaError
from schemas.cloudevents import read_attributes
from schemas.codecs import Codec
from streams.payload_limits import Limits
from streams.records import Headers, RecordBatch
from streams.settings import LimitSettings

E = TypeVar("E", bound=Event)


@dataclass(slots=True)
class Decoded(Generic[E]):
    """The events, failures and tombstones of a batch: each row is in exactly one of the three."""

    rows: Sequence[int] = ()
    events: list[E] = field(default_factory=list)
    """`events[i]` was decoded from row `rows[i]`."""
    failed: list[tuple[int, InputError]] = field(default_factory=list)
    tombstones: list[int] = field(default_factory=list)


class Decoder(Generic[E]):
    """Decodes the input of one agent; thread-safe."""

    def __init__(
        self,
        codec: Codec,
        max_record_bytes: int,
        limits: LimitSettings | None = None,
        event_type: type[Event] = Event,
    ) -> None:
        self._codec = codec
        self._limits = Limits(max_record_bytes, limits, codec.name, event_type)
        self._reads_headers = codec.name == "image"

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
            events: list[E] = self._codec.decode_all(values)  # type: ignore[assignment]
            for row, event in enumerate(events):
                if not (
                    event.source_id and event.event_time_ms and (event.event_id or not headers[row])
                ):
                    self._limits.check_headers(headers[row])
                    _fill_in(event, batch.keys[row], headers[row], batch.timestamps_ms[row])
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
        event: E = self._codec.decode(value, dict(headers) if headers else {})  # type: ignore[assignment]
        if not (event.source_id and event.event_time_ms and event.event_id):
            self._limits.check_headers(headers)
            _fill_in(event, batch.keys[row], headers, batch.timestamps_ms[row])
        return event


def _fill_in(event: Event, key: bytes | None, headers: Headers, timestamp_ms: int) -> None:
    """Fill in an event's missing id, time and source from the record's key, headers and timestamp.

    This changes a frozen event, which is safe: nobody else has a reference to it yet.
    """
    attributes = read_attributes(dict(headers)) if headers else None
    if not event.event_id and attributes:
        force_setattr(event, "event_id", attributes.event_id)
    if not event.event_time_ms:
        stated_ms = attributes.event_time_ms if attributes else 0
        force_setattr(event, "event_time_ms", stated_ms or max(timestamp_ms, 0))
    if not event.source_id:
        source_id = _key_text(key) or (attributes.source_id if attributes else "")
        force_setattr(event, "source_id", source_id)


def _key_text(key: bytes | None) -> str:
    if key is None:
        return ""
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"the key is not UTF-8 ({key[:8].hex(' ')}) and the value has no source_id: "
            "one of them must name the source"
        ) from error
