"""The format of online models' snapshots, and the protocol of their stores.

A snapshot is whole, or contains what has changed since the one before. A whole one and the changes
that follow it are a chain: see `streams/state/chain.py`.

A snapshot's model has learned from every record below `next_offset`, and from none at or above it.
A worker that starts loads the latest snapshot at or below the group's committed offset, and reads
the records between the two again, only to learn from them: see `streams/state/keeper.py`.

StateError                   base class; the message is one line for users
├── StateStoreError          the store can't be reached, or rejects a request: retried
└── StateMismatchError       there are snapshots, but none that this pipeline can use
"""

from __future__ import annotations

import time
import uuid
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec
from aiokafka.codec import zstd_decode, zstd_encode

#: The version of the format below. A later version reads older ones, or rejects them by number.
#: Version 1 was not compressed, and knew no changes.
FORMAT_VERSION = 2
_UNCOMPRESSED_VERSION = 1
#: Numbers hardly get smaller on higher levels, which take several times as long.
_ZSTD_LEVEL = 1
_MAGIC = b"PSTS"
_CHECKSUM_BYTES = 4


class StateError(RuntimeError):
    """State can't be loaded or saved. The message says what to do."""


class StateStoreError(StateError):
    """The store can't be reached, or rejects a request; a retry may succeed."""


class StateMismatchError(StateError):
    """A snapshot is damaged, or was made by another model or with other options."""


class StateKey(NamedTuple):
    """Identifies the state of one agent's model for one partition of its input."""

    agent: str
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.agent}, {self.topic}:{self.partition}"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One model's state, or what has changed in it, and the next offset that it learns from."""

    format_version: int = FORMAT_VERSION
    agent: str
    topic: str
    partition: int
    next_offset: int
    """Every record below it has been learned, none at or above it."""
    sequence: int
    """Number of the snapshot in its partition, ascending."""
    model: str
    model_version: str
    learn_every: int
    saved_at_ms: int
    state: bytes
    """The return value of the model's `snapshot()` or `snapshot_changes()`."""
    topic_id: str = ""
    """The topic that `next_offset` belongs to; "" if the broker gives no ids."""
    base: int = -1
    """Sequence number of the whole snapshot of its chain; -1: no changes can follow it."""
    snapshot_id: str = ""
    """Unique; "" where no changes can follow."""
    follows: str = ""
    """Of changes: the `snapshot_id` of the snapshot that they are relative to."""

    @property
    def is_blank(self) -> bool:
        """Whether it only says that the state was reset, so that a fresh model is no loss."""
        return not self.model

    @property
    def is_changes(self) -> bool:
        """Whether it contains only what has changed since the one before."""
        return 0 <= self.base < self.sequence


def new_snapshot_id() -> str:
    """Return an id that no other snapshot has."""
    return uuid.uuid4().hex


def blank_snapshot(key: StateKey) -> Snapshot:
    """Return a snapshot of no model: the next worker starts with a fresh one."""
    return Snapshot(
        **key._asdict(), next_offset=0, sequence=0, model="", model_version="", learn_every=1,
        saved_at_ms=time.time_ns() // 1_000_000, state=b"",
    )  # fmt: skip


class StateStore(Protocol):
    """Keeps at least the two latest chains of each key. Blocking and thread-safe."""

    def saved(self, key: StateKey, is_expected: bool = True) -> Iterator[bytes]:
        """Yield the snapshots of a key, whole ones and changes, the latest first.

        Args:
            key: the agent and partition.
            is_expected: whether there should be one, so that it is worth a search of places where
                an earlier layout of the store kept it.

        Raises:
            StateStoreError: the store can't be read.
        """
        ...

    def save(self, key: StateKey, sequence: int, encoded: bytes, base: int | None = None) -> None:
        """Store a snapshot; when this returns, it is durable.

        A whole one replaces the chain before the last, with all of its changes.

        Args:
            key: the agent and partition.
            sequence: the number of the snapshot. Those of whole snapshots that come one after the
                other are odd and even in turn.
            encoded: what `encode_snapshot` returned.
            base: the number of the whole snapshot of its chain, `sequence` for that itself; None:
                a whole snapshot that no changes will follow.

        Raises:
            StateStoreError: it could not be stored; earlier snapshots are unchanged.
        """
        ...

    def delete(self, key: StateKey) -> int:
        """Delete every snapshot of a key and return their number.

        Raises:
            StateStoreError: the store can't be reached.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Encode a snapshot: magic, CRC-32 of the rest, MessagePack of the version and a zstd frame."""
    frame = zstd_encode(msgspec.msgpack.encode(snapshot), level=_ZSTD_LEVEL)
    body = msgspec.msgpack.encode(_Compressed(snapshot.format_version, frame))
    return b"".join((_MAGIC, zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little"), body))


def decode_snapshot(encoded: bytes) -> Snapshot:
    """Decode a snapshot.

    Raises:
        StateMismatchError: the bytes are damaged, no snapshot, or of a format of another version.
    """
    start = len(_MAGIC) + _CHECKSUM_BYTES
    body = memoryview(encoded)[start:]
    checksum = zlib.crc32(body).to_bytes(_CHECKSUM_BYTES, "little")
    if encoded[: len(_MAGIC)] != _MAGIC or encoded[len(_MAGIC) : start] != checksum:
        raise StateMismatchError(f"a damaged snapshot, {len(encoded)} bytes")
    try:
        version = msgspec.msgpack.decode(body, type=_Version).format_version
        if version not in (_UNCOMPRESSED_VERSION, FORMAT_VERSION):
            raise StateMismatchError(
                f"a snapshot of format {version}: this build of Penstock reads {FORMAT_VERSION}"
            )
        if version == FORMAT_VERSION:
            return _decompressed(msgspec.msgpack.decode(body, type=_Compressed).frame)
        return msgspec.msgpack.decode(body, type=Snapshot)
    except msgspec.DecodeError as error:
        raise StateMismatchError(f"a snapshot that can't be read: {error}") from error


def _decompressed(frame: bytes) -> Snapshot:
    try:
        body = zstd_decode(frame)
    except Exception as error:  # the library's own, of no common base class
        raise StateMismatchError(f"a snapshot that can't be decompressed: {error}") from error
    return msgspec.msgpack.decode(body, type=Snapshot)


class _Version(msgspec.Struct):
    format_version: int


class _Compressed(msgspec.Struct):
    format_version: int
    frame: bytes
