"""The records of a state topic: parts of snapshots, by slot and number."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import msgspec
from confluent_kafka import Message

from streams.state.snapshot import StateKey

NUM_SLOTS = 2
#: In record keys, before the place of changes in their chain.
CHANGES = "c"


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The value of one record."""

    mark: bytes
    """Unique to one snapshot, the same in all its parts."""
    count: int
    """The number of parts of the snapshot."""
    data: bytes


class Found(NamedTuple):
    """A complete snapshot."""

    offset: int
    """Of its last part."""
    mark: bytes
    encoded: bytes
    is_changes: bool


class Slots:
    """The latest parts of one key, as after compaction."""

    def __init__(self, key: StateKey) -> None:
        self._prefix = record_key_of(key)
        self._parts: dict[bytes, tuple[int, Part]] = {}

    def add(self, message: Message) -> None:
        """Add the next record of the partition, if it belongs to the key."""
        record_key, value = message.key(), message.value()
        if not isinstance(record_key, bytes) or not record_key.startswith(self._prefix):
            return
        if not value:
            self._parts.pop(record_key, None)
            return
        with contextlib.suppress(msgspec.DecodeError):
            self._parts[record_key] = (
                message.offset() or 0,
                msgspec.msgpack.decode(value, type=Part),
            )

    @property
    def record_keys(self) -> list[bytes]:
        """The keys of all parts."""
        return list(self._parts)

    def complete(self) -> list[Found]:
        """Return the snapshots of which all parts are there, the latest first."""
        firsts = [record_key for record_key in self._parts if record_key.endswith(b"/0")]
        found = [self._complete(record_key[:-1]) for record_key in firsts]
        return sorted((each for each in found if each is not None), reverse=True)

    def _complete(self, prefix: bytes) -> Found | None:
        """Return the snapshot whose parts have the record keys `prefix` + number."""
        _, first = self._parts[prefix + b"0"]
        parts = [self._parts.get(prefix + b"%d" % number) for number in range(first.count)]
        marked = [part for part in parts if part is not None and part[1].mark == first.mark]
        if len(marked) < first.count:
            return None
        encoded = b"".join(part.data for _, part in marked)
        is_changes = prefix[len(self._prefix) :].count(b"/") > 1
        return Found(marked[-1][0], first.mark, encoded, is_changes)


def record_key_of(key: StateKey, *words: int | str) -> bytes:
    """Return the key of a part, or without words what all of them begin with."""
    joined = "/".join([key.agent, key.topic, str(key.partition), *map(str, words)])
    return joined.encode() + (b"" if words else b"/")
