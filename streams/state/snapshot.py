"""Snapshots of online models and where they are kept.

A snapshot says which offset it covers: everything below `next_offset` has been learned, nothing at
or above it. Where a worker starts, it loads the latest one that the group's committed offset has
reached, and reads the records between the two again, only to learn from them: see
`streams/state/keeper.py`.

StateError                   what all of these raise; one line for people
├── StateStoreError          the store can't be reached or refuses: may heal, is tried again
└── StateMismatchError       snapshots are there, but none that this pipeline can go on from
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

logger = logging.getLogger(__name__)

#: Of the layout below. A later version reads the earlier ones, or refuses them by name.
FORMAT_VERSION = 1
_MAGIC = b"PSTS"
_CHECKSUM_BYTES = 4


class StateError(RuntimeError):
    """State can't be loaded or saved. The message is for people and says what to do."""


class StateStoreError(StateError):
    """The store can't be reached, or refuses; another try may succeed."""


class StateMismatchError(StateError):
    """A snapshot is damaged, or was made by another model or with other options."""


class StateKey(NamedTuple):
    """Whose state: one agent's model for one partition of its input."""

    agent: str
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.agent}, {self.topic}:{self.partition}"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One model's state and the offset that it covers."""

    format_version: int = FORMAT_VERSION
    agent: str
    topic: str
    partition: int
    next_offset: int
    """Everything below has been learned, nothing at or above it."""
    sequence: int
    """Counts the snapshots of this partition; the latest has the highest."""
    model: str
    model_version: str
    learn_every: int
    saved_at_ms: int
    state: bytes
    """What the model's `snapshot()` returned."""


class StateStore(Protocol):
    """Keeps at least the two latest snapshots of each key. Blocking; any thread may call it."""

    def saved(self, key: StateKey) -> Iterator[bytes]:
        """Yield what is kept of a key, the latest first.

        Raises:
            StateStoreError: the store can't be read.
        """
        ...

    def save(self, key: StateKey, sequence: int, encoded: bytes) -> None:
        """Keep a snapshot; when this returns, it will survive this process.

        Raises:
            StateStoreError: it could not be stored. What was there before still is.
        """
        ...

    def delete(self, key: StateKey) -> int:
        """Forget every snapshot of a key and return how many there were.

        Raises:
            StateStoreError: the store can't be reached.
        """
        ...

    def close(self) -> None:
        """Let connections go."""
        ...


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Return a snapshot's bytes: magic, CRC-32 of the rest, MessagePack."""
    body = msgspec.msgpack.encode(snapshot)
    return b"".join((_MAGIC, zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little"), body))


def decode_snapshot(encoded: bytes) -> Snapshot:
    """Read a snapshot back.

    Raises:
        StateMismatchError: it is damaged, none at all, or of a format that this build can't read.
    """
    start = len(_MAGIC) + _CHECKSUM_BYTES
    body = memoryview(encoded)[start:]
    checksum = zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little")
    if encoded[: len(_MAGIC)] != _MAGIC or encoded[len(_MAGIC) : start] != checksum:
        raise StateMismatchError(f"a damaged snapshot, {len(encoded)} bytes")
    try:
        version = msgspec.msgpack.decode(body, type=_Version).format_version
        if version != FORMAT_VERSION:
            raise StateMismatchError(
                f"a snapshot of format {version}: this build of Penstock reads {FORMAT_VERSION}"
            )
        return msgspec.msgpack.decode(body, type=Snapshot)
    except msgspec.DecodeError as error:
        raise StateMismatchError(f"a snapshot that can't be read: {error}") from error


class _Version(msgspec.Struct):
    format_version: int


class Loaded(NamedTuple):
    """What a store had for a key."""

    snapshot: Snapshot | None
    """The one to go on from."""
    sequence: int
    """The highest that was seen, -1 if none was."""


def load_snapshot(store: StateStore, key: StateKey, reached: int) -> Loaded:
    """Return the latest snapshot that covers nothing at or above an offset.

    A later one has learned from records that are still to be answered. Such ones are there when
    the group's offset was set back, or when the topic was made anew.

    Args:
        store: where to look.
        key: whose.
        reached: the offset from which records are to be answered.

    Raises:
        StateMismatchError: snapshots are there, and none of them can be read.
        StateStoreError: the store can't be read.
    """
    damaged: StateMismatchError | None = None
    last_sequence, ahead = -1, []
    for encoded in store.saved(key):
        try:
            snapshot = decode_snapshot(encoded)
        except StateMismatchError as error:
            logger.warning("%s: %s: an earlier one is looked for", key, error)
            damaged = error
            continue
        last_sequence = max(last_sequence, snapshot.sequence)
        if snapshot.next_offset <= reached:
            return Loaded(snapshot, last_sequence)
        ahead.append(snapshot.next_offset)
    if damaged is not None and not ahead:
        raise StateMismatchError(f"{key}: {damaged}")
    if ahead:
        logger.warning(
            "%s: reading starts at offset %d, behind every snapshot (%s): its model starts afresh",
            *(key, reached, ", ".join(map(str, ahead))),
        )
    return Loaded(None, last_sequence)
