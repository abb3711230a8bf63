"""A record that can't be processed, as it is written to `<input>.dlq`.

Value, key and headers are those of the original record, byte for byte; with `dead_letter_codec` the
value is framed by a schema registry, and has the original's within (`schemas/registry/letters.py`).
Added headers, named after
Kafka Connect's (KIP-298) so that tools for those work here too, say what went wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.event import Origin

#: Prefix of every header that Penstock adds to a dead letter.
ERROR_PREFIX = "__penstock.errors."


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record could not be processed, and where it came from."""

    origin: Origin
    """The input record: topic, partition and offset."""
    agent: str
    reason: str
    """Short and stable, such as `decode_error`; also a metric's label."""
    message: str
    """For people: what is wrong and what was expected."""
    exception: str
    """The exception's class name."""
    attempts: int = 1
    """How often the record was tried, alone or in a batch."""
    failed_at_ms: int = 0
    """Processing time of the failure, milliseconds since 1970."""
    full_bytes: int = -1
    """Size of the original value if it had to be cut or left out, else -1."""
    cut: str = ""
    """The parts that are cut or left out, joined by ", ": `value`, `headers`, `key`, `message`."""
    timestamp_ms: int = -1
    """Kafka's timestamp of the original record, milliseconds since 1970; -1: not known."""
    schema_version: int = 1
    value_codec: str = ""
    """`avro`, `protobuf` or `json_schema`: the value is a framed `DeadLetterRecord`; "": it is the
    original's."""

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Return the headers that hold these fields, in a fixed order."""
        pairs: list[tuple[str, str]] = [
            ("topic", self.origin.topic),
            ("partition", str(self.origin.partition)),
            ("offset", str(self.origin.offset)),
            ("agent", self.agent),
            ("reason", self.reason),
            ("exception.message", self.message),
            ("exception.class.name", self.exception),
            ("attempts", str(self.attempts)),
            ("failed_at_ms", str(self.failed_at_ms)),
            ("schema_version", str(self.schema_version)),
        ]
        if self.full_bytes >= 0:
            pairs.append(("full_bytes", str(self.full_bytes)))
        if self.cut:
            pairs.append(("cut", self.cut))
        if self.timestamp_ms >= 0:
            pairs.append(("timestamp_ms", str(self.timestamp_ms)))
        if self.value_codec:
            pairs.append(("value_codec", self.value_codec))
        return [(ERROR_PREFIX + name, value.encode("utf-8", "replace")) for name, value in pairs]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> DeadLetter:
        """Read back what `to_headers` wrote; the last header of a name wins.

        Raises:
            KeyError: these are not the headers of a dead letter.
        """
        fields = {
            name.removeprefix(ERROR_PREFIX): (value or b"").decode("utf-8", "replace")
            for name, value in headers
            if name.startswith(ERROR_PREFIX)
        }
        return cls(
            origin=Origin(fields["topic"], int(fields["partition"]), int(fields["offset"])),
            agent=fields["agent"],
            reason=fields["reason"],
            message=fields["exception.message"],
            exception=fields["exception.class.name"],
            attempts=int(fields["attempts"]),
            failed_at_ms=int(fields["failed_at_ms"]),
            full_bytes=int(fields.get("full_bytes", -1)),
            cut=fields.get("cut", ""),
            timestamp_ms=int(fields.get("timestamp_ms", -1)),
            schema_version=int(fields["schema_version"]),
            value_codec=fields.get("value_codec", ""),
        )


def is_dead_letter(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Return whether a record with these headers is a dead letter."""
    return any(name == f"{ERROR_PREFIX}reason" for name, _ in headers)
