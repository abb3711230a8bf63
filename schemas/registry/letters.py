"""Dead letters whose value is framed by a schema registry: all about the failure in one record.

The headers of a dead letter are the same in every form, and those of the original record stay
headers; only the value differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from schemas.dead_letter import ERROR_PREFIX, DeadLetter
from schemas.event import Origin
from schemas.registry.framing import HEADER
from schemas.registry.leading_fields import leading_fields

Headers = list[tuple[str, bytes]]

#: Where the original's header with a schema id goes: readers would take it for the letter's.
_MOVED_HEADER = f"{ERROR_PREFIX}original.{HEADER}"


class OriginalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that come first, so that a letter of any version can be replayed."""

    value: bytes
    """Of the original record."""
    key: bytes | None = None
    """Of the original record; null: it has none, or it was left out."""


class DeadLetterRecord(OriginalRecord, frozen=True, kw_only=True):
    """A dead letter with everything but the original's headers; see `DeadLetter`."""

    origin: Origin
    """The input record: topic, partition and offset."""
    agent: str
    reason: str
    message: str
    exception: str
    attempts: int = 1
    failed_at_ms: int = 0
    full_bytes: int = -1
    cut: str = ""
    timestamp_ms: int = -1
    schema_version: int = 1

    @classmethod
    def of(cls, letter: DeadLetter, key: bytes | None, value: bytes) -> Self:
        """Return the record of a letter."""
        fields = msgspec.structs.asdict(letter)
        del fields["value_codec"]
        # An error may quote text that UTF-8 can't write.
        fields["message"] = letter.message.encode("utf-8", "replace").decode()
        return cls(value=value, key=key, **fields)


def original_value(letter: DeadLetter, value: bytes) -> bytes:
    """Return the original record's value from the value of its dead letter.

    Raises:
        ValueError: the letter's value is not what its headers say.
    """
    if not letter.value_codec:
        return value
    return leading_fields(letter.value_codec, OriginalRecord, value).value


def move_schema_header(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """Return the original's headers as a framed letter has them."""
    return [(_MOVED_HEADER if name == HEADER else name, value) for name, value in headers]


def restore_schema_header(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """Undo `move_schema_header`."""
    return [(HEADER if name == _MOVED_HEADER else name, value) for name, value in headers]
