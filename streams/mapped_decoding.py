"""Decodes record batches whose values are mapped, filtered or in an envelope.

`streams/decoding.py` decodes values that are events as they stand, which is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from schemas import Event, InputError, SchemaError
from schemas.errors import SourceAwayError
from schemas.keys import KeyFormat
from schemas.mapping.reader import RecordReader
from schemas.values import RecordParts
from streams.decoding import Decoded, fill_in
from streams.payload_limits import Limits
from streams.records import RecordBatch
from streams.settings import LimitSettings


class MappedDecoder:
    """Decodes the input of one agent by its `RecordReader`; thread-safe."""

    def __init__(
        self,
        reader: RecordReader,
        max_record_bytes: int,
        limits: LimitSettings | None = None,
        key_format: KeyFormat = "text",
    ) -> None:
        self._reader = reader
        # A plain value is as deep as the bytes say, whatever the event type is.
        self._limits = Limits(max_record_bytes, limits, reader.codec.name, None)
        self._key_format = key_format
        self.reads_files = reader.reads_files

    def decode(self, batch: RecordBatch) -> Decoded[Any]:
        """Return what became of each row of the batch.

        Raises:
            SourceAwayError: a picture's store does not answer.
        """
        return self._decode_all(batch) or self._decode_row_by_row(batch)

    def _decode_all(self, batch: RecordBatch) -> Decoded[Any] | None:
        """Fast path: decode a batch without bad records; None if it has any."""
        if None in batch.values:
            return None
        values = cast(Sequence[bytes], batch.values)
        if not self._limits.all_fit(batch, values):
            return None
        decoded: Decoded[Any] = Decoded()
        rows: list[int] = []
        try:
            for headers in filter(None, batch.headers):
                self._limits.check_headers(headers)
            if (events := self._reader.read_all(values, batch.headers)) is not None:
                for row, event in enumerate(events):
                    self._fill_in(batch, row, event)
                return Decoded(range(len(events)), events)
            plain_values = self._reader.codec.read_all(values, batch.headers)
            for row, plain in enumerate(plain_values):
                self._add(batch, row, self._reader.events(plain, _parts(batch, row)), decoded, rows)
        except SourceAwayError:
            raise
        except Exception:  # some row is bad: decode row by row to find it
            return None
        decoded.rows = range(len(rows)) if rows == list(range(len(values))) else rows
        return decoded

    def _add(
        self,
        batch: RecordBatch,
        row: int,
        events: Sequence[Event] | str,
        decoded: Decoded[Any],
        rows: list[int],
    ) -> None:
        """Add what one record holds to the batch's rows."""
        if isinstance(events, str):
            decoded.filtered.setdefault(events, []).append(row)
            return
        for event in events:
            self._fill_in(batch, row, event)
        decoded.events += events
        rows += [row] * len(events)

    def _fill_in(self, batch: RecordBatch, row: int, event: Event) -> None:
        is_whole = event.source_id and event.event_time_ms
        if not (is_whole and (event.event_id or not batch.headers[row])):
            fill_in(event, batch, row, self._key_format)

    def _decode_row_by_row(self, batch: RecordBatch) -> Decoded[Any]:
        decoded: Decoded[Any] = Decoded()
        rows: list[int] = []
        for row, value in enumerate(batch.values):
            if value is None:
                decoded.tombstones.append(row)
                continue
            try:
                self._limits.check(batch.keys[row], value)
                headers = batch.headers[row]
                if headers:
                    self._limits.check_headers(headers)
                events = self._reader.read(value, _parts(batch, row))
                self._add(batch, row, events, decoded, rows)
            except SourceAwayError:
                raise
            except InputError as error:
                decoded.failed.append((row, error))
            except Exception as error:  # a user's `validate` may raise anything
                decoded.failed.append((row, SchemaError(f"{type(error).__name__}: {error}")))
        decoded.rows = rows
        return decoded


def _parts(batch: RecordBatch, row: int) -> RecordParts:
    return RecordParts(batch.keys[row], batch.headers[row], batch.timestamps_ms[row])
