"""What a dead letter carries when it is put back into its input topic.

The record is the original's again, key, value and headers; these headers come after, so that its
answer can be told to be the first record's, and so that it can't go round for ever.
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
    """Which record a replayed one stands for."""

    origin: Origin
    """The record as it was first published, however often it has been replayed since."""
    attempt: int = 1
    """How many times it has been replayed, this time included."""
    letter: Origin | None = None
    """The dead letter that this replay answers."""
    replayed_at_ms: int = 0
    """Milliseconds since 1970."""

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Return the headers that tell this, in a fixed order."""
        pairs = [
            (ORIGIN_HEADER, _written(self.origin)),
            (REPLAY_PREFIX + "attempt", str(self.attempt)),
            (REPLAY_PREFIX + "replayed_at_ms", str(self.replayed_at_ms)),
        ]
        if self.letter is not None:
            pairs.append((REPLAY_PREFIX + "letter", _written(self.letter)))
        return [(name, value.encode()) for name, value in pairs]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> Replay | None:
        """Read back what `to_headers` wrote; None of a record that is no replay, or says nonsense.

        The last header of a name wins.
        """
        found = {name: value for name, value in headers if name.startswith(REPLAY_PREFIX)}
        if ORIGIN_HEADER not in found:
            return None
        letter = found.get(REPLAY_PREFIX + "letter")
        try:
            return cls(
                origin=_read(found[ORIGIN_HEADER]),
                attempt=int(found[REPLAY_PREFIX + "attempt"]),
                letter=None if letter is None else _read(letter),
                replayed_at_ms=int(found[REPLAY_PREFIX + "replayed_at_ms"]),
            )
        except (KeyError, ValueError, AttributeError):
            return None


def _written(origin: Origin) -> str:
    return f"{origin.topic}:{origin.partition}:{origin.offset}"


def _read(text: bytes) -> Origin:
    topic, partition, offset = text.decode().split(":")  # a topic's name holds no colon
    origin = Origin(topic, int(partition), int(offset))
    if not (0 <= origin.partition <= _MAX_PARTITION and 0 <= origin.offset <= _MAX_OFFSET):
        raise ValueError("no partition or offset is negative or so large")
    return origin
