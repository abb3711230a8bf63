"""A settlement marks a dead letter as dealt with: a record in the same partition.

Kafka can't change or remove a single record, so a settlement is written after the dead letter:
readers of the topic see both, and retention removes both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from schemas.cloudevents import event_headers, type_name
from schemas.event import Origin


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with one dead letter."""

    letter: Origin
    """The dead letter: topic, partition and offset. With `deleted`, the last one deleted."""
    action: Literal["replayed", "dropped", "deleted"]
    """`deleted`: this dead letter and all before it in its partition, which were settled."""
    settled_at_ms: int
    """Milliseconds since 1970."""
    below: dict[int, int] = {}
    """With `deleted`: for each input partition, an offset above all records concerned."""
    schema_version: int = 1

    def to_record(self) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
        """Return the key, value and headers of this settlement's record."""
        at = f"{self.letter.topic}:{self.letter.partition}:{self.letter.offset}"
        headers = event_headers(
            event_id=f"{at}:{self.action}",
            type_name=type_name(Settlement),
            source="penstock/dlq",
            time_ms=self.settled_at_ms,
            content_type="application/json",
        )
        return f"settled:{at}".encode(), msgspec.json.encode(self), headers

    @classmethod
    def from_record(
        cls, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> Settlement | None:
        """Read back what `to_record` wrote; None for any other record."""
        if not value or dict(headers).get("ce_type") != type_name(cls).encode():
            return None
        try:
            return msgspec.json.decode(value, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
