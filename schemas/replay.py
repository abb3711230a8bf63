"""The headers of a dead letter that is replayed: put back into its input topic.

The record has the key, value and headers of the original record again. These headers follow, so
that its result refers to the original record, and so that it can't be replayed for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from schemas.event import Origin

#: Prefix of every header that a replay adds.
REPLAY_PREFIX = "__penstock.replay."
ORIGIN_HEADER = REPLAY_PREFIX + "origin"

#: Kafka's partitions are 32-bit numbers, its offsets 64-bit ones.
_MAX_PARTITION, _MAX_OFFSET = 2**31 - 1, 2**63 - 1


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Which record a replayed record stands for."""

    origin: Origin
    """The record as it was first published, even if it has been replayed several times."""
    attempt: int = 1
    """How many times it has been replayed, this time included."""
    letter: Origin | None = None
    """The dead letter that was replayed."""
    replayed_at_ms: int = 0
    """Milliseconds since 1970."""

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Return the headers that hold these fields, in a fixed order."""
        pairs = [
            (ORIGIN_HEADER, _format_origin(self.origin)),
            (REPLAY_PREFIX + "attempt", str(self.attempt)),
            (REPLAY_PREFIX + "replayed_at_ms", str(self.replayed_at_ms)),
        ]
        if self.letter is not None:
            pairs.append((REPLAY_PREFIX + "letter", _format_origin(self.letter)))
        return [(name, value.encode()) for name, value in pairs]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> Replay | None:
        """Read back what `to_headers` wrote; None if the record is no replay or not readable.

        The last header of a name wins.
        """
        fields = {name: value for name, value in headers if name.startswith(REPLAY_PREFIX)}
        if ORIGIN_HEADER not in fields:
            return None
        letter = fields.get(REPLAY_PREFIX + "letter")
        try:
            return cls(
                origin=_parse_origin(fields[ORIGIN_HEADER]),
                attempt=int(fields[REPLAY_PREFIX + "attempt"]),
                letter=None if letter is None else _parse_origin(letter),
                replayed_at_ms=int(fields[REPLAY_PREFIX + "replayed_at_ms"]),
            )
        except (KeyError, ValueError, AttributeError):
            return None


def _format_origin(origin: Origin) -> str:
    return f"{origin.topic}:{origin.partition}:{origin.offset}"


def _parse_origin(text: bytes) -> Origin:
    topic, partition, offset = text.decode().split(":")  # a topic's name holds no colon
    origin = Origin(topic, int(partition), int(offset))
    if not (0 <= origin.partition <= _MAX_PARTITION and 0 <= origin.offset <= _MAX_OFFSET):
        raise ValueError(f"{text!r} has a partition or offset that Kafka can't have")
    return origin
