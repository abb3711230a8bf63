"""The seam between a record's bytes and its event: codecs read values, mappings make events.

A `ValueCodec` turns bytes into a plain Python value and knows no event type. An `EventMapping`
turns that value into events and knows no format. So each format works with each mapping.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from schemas.event import Event

Headers: TypeAlias = Sequence[tuple[str, bytes]]


class RecordParts(NamedTuple):
    """What a record has beside its value."""

    key: bytes | None
    headers: Headers
    """In the record's order; of several with one name, the last counts."""
    timestamp_ms: int
    """Kafka's timestamp, milliseconds since 1970; below 0: it has none."""


class ValueCodec(Protocol):
    """Reads one format into plain values. Thread-safe; knows no event type.

    A plain value is a dict with text keys, a list, text, int, float, bool or None; where the format
    has them also bytes, an aware datetime, date, Decimal or UUID.
    """

    name: str
    content_type: str
    """Media type of values, for headers and for messages."""

    def read(self, value: bytes, headers: Headers) -> Any:
        """Return the plain value of one record.

        Args:
            value: the record's bytes, not null.
            headers: of the record.

        Raises:
            InputError: the bytes are not of this format; the message says what was expected.
        """
        ...

    def read_all(self, values: Sequence[bytes], headers: Sequence[Headers]) -> list[Any]:
        """Return the plain values of n records, all or nothing.

        Raises:
            Exception: of any type, if a value can't be read; `read` finds out which.
        """
        ...


class EventMapping(Protocol):
    """Makes the events of one record from its plain value. Thread-safe."""

    def events(self, value: Any, record: RecordParts) -> Sequence[Event]:
        """Return the record's events: validated, in order; none if it has no readings.

        Fields that a record leaves out (source, time, id) are filled in afterwards, from the
        record's key, headers and timestamp.

        Raises:
            InputError: the value does not fit; the message gives the path, what was found and what
                was expected.
        """
        ...
