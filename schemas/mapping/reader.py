"""Reads records into events: a codec, an envelope, a filter and a mapping, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import force_setattr

from schemas.event import Event
from schemas.keys import KeyFormat, key_text
from schemas.mapping.envelopes import (
    EnvelopeName,
    Opened,
    is_structured,
    open_cloudevent,
    open_envelope,
)
from schemas.mapping.paths import Scope
from schemas.mapping.twins import Twin
from schemas.mapping.where import Where
from schemas.values import EventMapping, Headers, RecordParts, ValueCodec

#: Why a record needs no answer: the filter drops it, it has no readings, or its envelope no value.
FILTERED = ("where", "empty", "tombstone")


class RecordReader:
    """Reads the input of one agent; thread-safe."""

    def __init__(
        self,
        codec: ValueCodec,
        mapping: EventMapping,
        *,
        envelope: EnvelopeName = "none",
        where: Where | None = None,
        key_format: KeyFormat = "text",
        twin: Twin | None = None,
    ) -> None:
        """Join the parts.

        Args:
            codec: reads values.
            mapping: makes events.
            envelope: what is around each value.
            where: the filter; None: every record is answered.
            key_format: how `$key` is written.
            twin: reads most values in one step, where there is neither filter nor envelope.
        """
        self.codec, self._mapping = codec, mapping
        self._twin = twin if where is None and envelope == "none" else None
        self._envelope, self._where, self._key_format = envelope, where, key_format
        self._needs_scope = mapping.needs_scope or (where is not None and where.needs_scope)
        self._may_be_structured = codec.name == "json"
        self._is_bare = envelope == "none"
        self.reads_files = mapping.reads_files

    def read_all(self, values: Sequence[bytes], headers: Sequence[Headers]) -> list[Event] | None:
        """Return one event for each value, in one step; None if a value needs the full rules.

        What a record becomes must not depend on its neighbors: so `read` tries this first, too.
        """
        if self._twin is None:
            return None
        try:
            if self._may_be_structured and any(headers) and any(map(is_structured, headers)):
                return None
            return self._twin.read_all(values)
        except Exception:
            return None

    def read(self, value: bytes, record: RecordParts) -> Sequence[Event] | str:
        """Return what one record holds: events, or one of `FILTERED`.

        Raises:
            InputError: it can't be read; the message says what was found and what was expected.
        """
        if (events := self.read_all([value], [record.headers])) is not None:
            return events
        return self.events(self.codec.read(value, record.headers), record)

    def events(self, plain: Any, record: RecordParts) -> Sequence[Event] | str:
        """Return what the codec's plain value holds: events, or one of `FILTERED`.

        Raises:
            InputError: it does not fit.
        """
        opened = None
        if not self._is_bare or (self._may_be_structured and record.headers):
            opened = self.opened(plain, record)
            plain = opened.value
            if plain is None and opened.envelope is not None:
                return "tombstone"
        scope = self._scope(plain, opened, record) if self._needs_scope else None
        if self._where is not None and not self._where.keeps(plain, scope):
            return "where"
        events = self._mapping.events(plain, scope)
        if opened is not None and opened.envelope is not None:
            for event in events:
                _fill_in(event, opened, has_key=bool(record.key))
        return events or "empty"

    def item(self, value: bytes, record: RecordParts) -> tuple[Any, Scope]:
        """Return what paths start at, and the record's scope, for tools that look at a mapping.

        Raises:
            InputError: the codec can't read the value, or its envelope is not there.
        """
        opened = self.opened(self.codec.read(value, record.headers), record)
        return opened.value, self._scope(opened.value, opened, record)

    def opened(self, plain: Any, record: RecordParts) -> Opened:
        """Return the value without its envelope, if it has one.

        Raises:
            InputError: the declared envelope is not there.
        """
        if self._may_be_structured and record.headers and is_structured(record.headers):
            return open_cloudevent(plain)
        return open_envelope(self._envelope, plain)

    def _scope(self, plain: Any, opened: Opened | None, record: RecordParts) -> Scope:
        key = key_text(record.key, self._key_format) or None
        envelope = None if opened is None else opened.envelope
        return Scope(plain, envelope, key, dict(record.headers), record.timestamp_ms)


def _fill_in(event: Event, opened: Opened, *, has_key: bool) -> None:
    """Fill in what the value leaves out from its envelope; nobody else has the event yet.

    As with CloudEvents in headers, the record's key names the source before the envelope does.
    """
    if not event.event_id:
        force_setattr(event, "event_id", opened.event_id)
    if not event.source_id and not has_key:
        force_setattr(event, "source_id", opened.source_id)
    if not event.event_time_ms:
        force_setattr(event, "event_time_ms", opened.event_time_ms)
