"""The format of online models' snapshots, and the protocol of their stores.

A snapshot's model has learned from every record below `next_offset`, and from none at or above it.
A worker that starts loads the latest snapshot at or below the group's committed offset, and reads
the records between the two again, only to learn from them: see `streams/state/keeper.py`.

StateError                   base class; the message is one line for users
├── StateStoreError          the store can't be reached, or rejects a request: retried
└── StateMismatchError       there are snapshots, but none that this pipeline can use
"""

from __future__ import annotations

import logging
import time
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from streams.kafka.positions import is_same_topic

logger = logging.getLogger(__name__)

#: The version of the format below. A later version reads older ones, or rejects them by number.
FORMAT_VERSION = 1
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
    """One model's state and the next offset that it learns from."""

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
    """The return value of the model's `snapshot()`."""
    topic_id: str = ""
    """The topic that `next_offset` belongs to; "" if the broker gives no ids."""

    @property
    def is_blank(self) -> bool:
        """Whether it only says that the state was reset, so that a fresh model is no loss."""
        return not self.model


def blank_snapshot(key: StateKey) -> Snapshot:
    """Return a snapshot of no model: the next worker starts with a fresh one."""
    return Snapshot(
        **key._asdict(), next_offset=0, sequence=0, model="", model_version="", learn_every=1,
        saved_at_ms=time.time_ns() // 1_000_000, state=b"",
    )  # fmt: skip


class StateStore(Protocol):
    """Keeps at least the two latest snapshots of each key. Blocking and thread-safe."""

    def saved(self, key: StateKey, is_expected: bool = True) -> Iterator[bytes]:
        """Yield the snapshots of a key, the latest first.

        Args:
            key: the agent and partition.
            is_expected: whether there should be one, so that it is worth a search of places where
                an earlier layout of the store kept it.

        Raises:
            StateStoreError: the store can't be read.
        """
        ...

    def save(self, key: StateKey, sequence: int, encoded: bytes) -> None:
        """Store a snapshot; when this returns, it is durable.

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
    """Encode a snapshot: magic, CRC-32 of the rest, MessagePack."""
    body = msgspec.msgpack.encode(snapshot)
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
    """The result of `load_snapshot`."""

    snapshot: Snapshot | None
    """The snapshot to continue from; None: start fresh."""
    sequence: int
    """The highest sequence number in the store; -1 if it is empty."""
    offsets_ahead: tuple[int, ...] = ()
    """What stored snapshots cover that have learned from records still to be answered."""
    num_of_earlier_topic: int = 0
    """Snapshots of a deleted topic of this name."""


def load_snapshot(
    store: StateStore,
    key: StateKey,
    committed: int,
    topic_id: str = "",
    is_expected: bool = True,
) -> Loaded:
    """Return the latest snapshot that has learned from no record at or above an offset.

    Later snapshots have learned from records that are still to be answered. They exist if the
    group's offset was set back. Snapshots of an earlier topic of this name are passed over: their
    offsets say nothing about this one.

    Args:
        store: the store of snapshots.
        key: the agent and partition.
        committed: the offset of the first record to answer.
        topic_id: the topic that it belongs to; "" if the broker gives no ids.
        is_expected: whether there should be a snapshot, wherever it is; see `StateStore.saved`.

    Raises:
        StateMismatchError: there are snapshots, and none can be read.
        StateStoreError: the store can't be read.
    """
    damaged: StateMismatchError | None = None
    last_sequence, ahead, num_earlier = -1, list[int](), 0
    for encoded in store.saved(key, is_expected):
        try:
            snapshot = decode_snapshot(encoded)
        except StateMismatchError as error:
            logger.warning("%s: %s: looking for an earlier one", key, error)
            damaged = error
            continue
        last_sequence = max(last_sequence, snapshot.sequence)
        if not is_same_topic(snapshot.topic_id, topic_id):
            num_earlier += 1
            continue
        if snapshot.next_offset <= committed:
            return Loaded(snapshot, last_sequence)
        ahead.append(snapshot.next_offset)
    if damaged is not None and not ahead and not num_earlier:
        raise StateMismatchError(f"{key}: {damaged}")
    return Loaded(None, last_sequence, tuple(ahead), num_earlier)
