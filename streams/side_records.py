"""Decodes the side records of an input beside its events: `schemas/side_records.py`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from schemas import Event
from schemas.errors import InputError
from schemas.side_records import side_type
from streams.decoding import Decoded
from streams.health.outcomes import Filtered
from streams.records import RecordBatch


class _Decodes(Protocol):
    reads_files: bool

    def decode(self, batch: RecordBatch) -> Decoded[Any]: ...


class SideRecordDecoder:
    """Passes events to the agent's decoder and reads side records itself; thread-safe.

    Side records of the types that the model reads are among its events, in the order of offsets.
    All others are filtered: no model sees them.
    """

    def __init__(
        self,
        events: _Decodes,
        taken: Collection[type[Event]],
        make_decoder: Callable[[type[Event]], _Decodes],
    ) -> None:
        """Set the decoders.

        Args:
            events: decodes records that are no side records.
            taken: the types of side records that the model reads.
            make_decoder: makes the decoder of one such type.
        """
        self._events = events
        self._taken = {kind: make_decoder(kind) for kind in taken}
        self.reads_files = events.reads_files

    def decode(self, batch: RecordBatch) -> Decoded[Any]:
        """Return what became of each row, with its event type's decoder."""
        if not any(batch.headers):
            return self._events.decode(batch)
        kinds = [side_type(headers) if headers else None for headers in batch.headers]
        if not any(kinds):
            return self._events.decode(batch)
        return self._decode_by_kind(batch, kinds)

    def _decode_by_kind(
        self, batch: RecordBatch, kinds: Sequence[type[Event] | None]
    ) -> Decoded[Any]:
        merged: Decoded[Any] = Decoded()
        pairs: list[tuple[int, Any]] = []
        for kind in dict.fromkeys(kinds):
            rows = [row for row, other in enumerate(kinds) if other is kind]
            if kind is not None and kind not in self._taken:
                merged.filtered.setdefault(Filtered.SIDE_RECORD, []).extend(rows)
                continue
            decoder = self._events if kind is None else self._taken[kind]
            decoded = decoder.decode(_pick(batch, rows))
            pairs += [
                (rows[i], event) for i, event in zip(decoded.rows, decoded.events, strict=True)
            ]
            merged.failed += [(rows[i], error) for i, error in decoded.failed]
            merged.tombstones += [rows[i] for i in decoded.tombstones]
            for reason, filtered in decoded.filtered.items():
                merged.filtered.setdefault(reason, []).extend(rows[i] for i in filtered)
        pairs.sort(key=lambda pair: pair[0])
        merged.rows = [row for row, _ in pairs]
        merged.events = [event for _, event in pairs]
        return _sorted(merged)


def _sorted(decoded: Decoded[Any]) -> Decoded[Any]:
    def row_of(pair: tuple[int, InputError]) -> int:
        return pair[0]

    decoded.failed.sort(key=row_of)
    decoded.tombstones.sort()
    for rows in decoded.filtered.values():
        rows.sort()
    return decoded


def _pick(batch: RecordBatch, rows: Sequence[int]) -> RecordBatch:
    """Return some rows of a batch, for a decoder: its span still is that of all rows."""
    return replace(
        batch,
        timestamps_ms=[batch.timestamps_ms[row] for row in rows],
        keys=[batch.keys[row] for row in rows],
        values=[batch.values[row] for row in rows],
        headers=[batch.headers[row] for row in rows],
    )
