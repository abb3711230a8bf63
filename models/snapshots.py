"""The bytes of an online model's state: checked MessagePack with raw little-endian arrays.

Layout: 4 bytes magic, 4 bytes CRC-32 of the rest (little-endian), then one MessagePack map.
It contains no code, and the type and shape of every array are checked before it is used.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base import ModelError

_MAGIC = b"PSM1"
_HEADER_BYTES = 8
_DTYPES = frozenset({"<f8", "<f4", "<i8", "<i4", "<u2", "|b1", "|u1"})

Option: TypeAlias = int | float | str | bool | list[str] | None


class SavedArray(msgspec.Struct, frozen=True):
    """One array in C order."""

    dtype: str
    shape: list[int]
    data: bytes


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One model's state."""

    kind: str
    """The model's registered name."""
    version: int
    """Version of the state's layout, not of the model."""
    options: dict[str, Option]
    """The options of the model that its state depends on."""
    names: dict[str, list[str]] = {}
    """Lists of strings: keys, channels, features."""
    arrays: dict[str, SavedArray] = {}

    def list_of(self, name: str) -> list[str]:
        """Return a list of strings.

        Raises:
            ModelError: it is absent.
        """
        if name not in self.names:
            raise ModelError(f"the snapshot of {self.kind} has no list {name!r}: it is damaged")
        return self.names[name]

    def array(self, name: str, like: NDArray[Any], *shape: int) -> NDArray[Any]:
        """Return a writable array with the type of `like` and exactly that shape.

        Raises:
            ModelError: it is absent, or has another type, shape or length.
        """
        saved, dtype = self.arrays.get(name), like.dtype.newbyteorder("<").str
        if saved is None:
            raise ModelError(f"the snapshot of {self.kind} has no array {name!r}: it is damaged")
        actual = (saved.dtype, tuple(saved.shape), len(saved.data))
        expected = (dtype, shape, math.prod(shape) * like.dtype.itemsize)
        if saved.dtype not in _DTYPES or actual != expected:
            raise ModelError(
                f"array {name!r} in the snapshot of {self.kind} is {actual}, expected {expected} "
                "(dtype, shape, bytes): it is damaged or comes from other options"
            )
        raw = np.frombuffer(saved.data, dtype=saved.dtype).reshape(shape)
        if raw.dtype.kind == "f" and np.isnan(raw).any() and not np.isnan(like).any():
            raise ModelError(f"array {name!r} in the snapshot of {self.kind} holds NaN")
        return raw.astype(like.dtype, copy=True)


def save_array(array: NDArray[Any]) -> SavedArray:
    """Return an array's type, shape and bytes."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    # Not copied to `bytes` first: an array may be large, and MessagePack copies it anyway.
    data = little.reshape(-1).view(np.uint8).data
    return SavedArray(little.dtype.str, list(array.shape), cast(bytes, data))


def pack(
    kind: str,
    version: int,
    options: Mapping[str, Option],
    names: Mapping[str, list[str]],
    arrays: Mapping[str, NDArray[Any]],
) -> bytes:
    """Serialize a state; equal states give equal bytes."""
    saved = {name: save_array(array) for name, array in arrays.items()}
    snapshot = Snapshot(
        kind=kind, version=version, options=dict(options), names=dict(names), arrays=saved
    )
    return encode(snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """Return the bytes that `unpack` reads."""
    state = bytearray(_HEADER_BYTES)
    msgspec.msgpack.Encoder().encode_into(snapshot, state, _HEADER_BYTES)
    checksum = zlib.crc32(memoryview(state)[_HEADER_BYTES:])
    state[:_HEADER_BYTES] = _MAGIC + checksum.to_bytes(4, "little")
    return bytes(state)


def unpack(state: bytes, kind: str, version: int, options: Mapping[str, Option]) -> Snapshot:
    """Deserialize a state and check that it fits the model.

    Raises:
        ModelError: not a snapshot, damaged, or of another model, layout version or options.
    """
    body = state[_HEADER_BYTES:]
    if state[:4] != _MAGIC or zlib.crc32(body).to_bytes(4, "little") != state[4:_HEADER_BYTES]:
        raise ModelError(f"not a snapshot of {kind}, or a damaged one: {len(state)} bytes")
    try:
        snapshot = msgspec.msgpack.decode(body, type=Snapshot)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"the snapshot of {kind} can't be read: {error}") from error
    if (snapshot.kind, snapshot.version) != (kind, version):
        raise ModelError(
            f"a snapshot of {snapshot.kind} version {snapshot.version}, "
            f"expected {kind} version {version}"
        )
    if snapshot.options != dict(options):
        raise ModelError(
            f"a snapshot of {kind} made with {snapshot.options}, but the model has "
            f"{dict(options)}: use the same options, or start without the snapshot"
        )
    return snapshot
