"""Limits of one record, checked on its bytes before anything is decoded.

A value has at most `max_record_bytes`, and that bounds its strings and items too: decoding a
megabyte of 500,000 items takes some 5 ms. Depth is limited apart, because code that follows nested
values recurses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from schemas import Event, TooLargeError
from streams.records import Headers, RecordBatch
from streams.settings import LimitSettings


class Limits:
    """One agent's limits; thread-safe.

    Whether a record passes depends on that record alone, never on its neighbors.
    """

    def __init__(
        self,
        max_record_bytes: int,
        settings: LimitSettings | None,
        codec: str,
        event_type: type[Event] | None,
    ) -> None:
        """Set the limits.

        Args:
            max_record_bytes: of a value.
            settings: the other limits; None: their defaults.
            codec: the format of values.
            event_type: the type that values become. Where none of its fields can hold lists or maps
                of any depth, depth is not checked: what a type does not name is never built. None:
                values become plain ones, of any depth.
        """
        self._max_bytes = max_record_bytes
        self._settings = settings or LimitSettings()
        self._depth_scan: _DepthScan | None = None
        if event_type is None or _nests_freely(event_type):
            self._depth_scan = _DEPTH_SCANS.get(codec)

    def all_fit(self, batch: RecordBatch, values: Sequence[bytes]) -> bool:
        """Fast path: True if the whole batch is within the limits; on False, check row by row."""
        if max(map(len, values)) > self._max_bytes:
            return False
        if max(map(len, filter(None, batch.keys)), default=0) > self._settings.max_key_bytes:
            return False
        if self._depth_scan is None:
            return True
        may_be_deep, _ = self._depth_scan
        return not any(may_be_deep(value, self._settings.max_depth) for value in values)

    def check(self, key: bytes | None, value: bytes) -> None:
        """Check one record's key and value.

        Raises:
            TooLargeError: names the limit and the record's size.
        """
        if len(value) > self._max_bytes:
            raise TooLargeError(
                f"the value has {len(value):,} bytes: this agent's max_record_bytes is "
                f"{self._max_bytes:,}"
            )
        if len(key or b"") > self._settings.max_key_bytes:
            raise TooLargeError(
                f"the key has {len(key or b''):,} bytes: limits.max_key_bytes is "
                f"{self._settings.max_key_bytes:,}"
            )
        if self._depth_scan is not None:
            may_be_deep, depth = self._depth_scan
            max_depth = self._settings.max_depth
            if may_be_deep(value, max_depth) and depth(value, max_depth) > max_depth:
                raise TooLargeError(
                    f"lists and maps are nested deeper than {max_depth}: limits.max_depth"
                )

    def check_headers(self, headers: Headers) -> None:
        """Check headers that are about to be read.

        Raises:
            TooLargeError: names and values together are too long.
        """
        num_bytes = sum(len(name) + len(value or b"") for name, value in headers)
        if num_bytes > self._settings.max_header_bytes:
            raise TooLargeError(
                f"the headers have {num_bytes:,} bytes: limits.max_header_bytes is "
                f"{self._settings.max_header_bytes:,}"
            )


#: A string, closed or cut short: it always matches, so that no quote is looked at twice.
_JSON_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_BRACKET_STEPS = np.zeros(256, np.int32)
_BRACKET_STEPS[list(b"[{")] = 1
_BRACKET_STEPS[list(b"]}")] = -1


def may_be_deep_json(value: bytes, max_depth: int) -> bool:
    """Return whether a JSON value has enough brackets to be nested deeper."""
    return value.count(b"[") + value.count(b"{") > max_depth


def json_depth(value: bytes, max_depth: int) -> int:
    """Return the depth of lists and maps in a JSON value, well-formed or not."""
    bare = _JSON_STRING.sub(b"", value)
    brackets = np.frombuffer(bare.translate(None, _NOT_BRACKETS), np.uint8)
    return int(_BRACKET_STEPS[brackets].cumsum().max()) if brackets.size else 0


def _framed_json_depth(value: bytes, max_depth: int) -> int:
    """Return the depth of a JSON value behind the five bytes of a schema registry."""
    return json_depth(value[5:] if value[:1] == b"\0" else value, max_depth)


#: First byte -> the bytes that follow to give a length, and what that length counts.
_MSGPACK_SIZED = {
    **dict.fromkeys((0xC4, 0xD9), (1, "bytes")),
    **dict.fromkeys((0xC5, 0xDA), (2, "bytes")),
    **dict.fromkeys((0xC6, 0xDB), (4, "bytes")),
    0xC7: (1, "extension"), 0xC8: (2, "extension"), 0xC9: (4, "extension"),
    0xDC: (2, "list"), 0xDD: (4, "list"), 0xDE: (2, "map"), 0xDF: (4, "map"),
}  # fmt: skip
#: First byte -> the bytes of a value of fixed size: floats, whole numbers, fixed extensions.
_MSGPACK_FIXED = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_NOT_CONTAINERS = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))


def may_be_deep_msgpack(value: bytes, max_depth: int) -> bool:
    """Return whether a MessagePack value has enough bytes that may open a list or map."""
    return len(value.translate(None, _NOT_CONTAINERS)) > max_depth


def msgpack_depth(value: bytes, max_depth: int) -> int:
    """Return the depth of lists and maps in a MessagePack value, as far as it is well-formed.

    The scan ends where the value is deeper than `max_depth`.
    """
    at, deepest = 0, 0
    open_items = [1]  # items to come of each list or map that is open; a map's count twice
    while open_items and at < len(value) and deepest <= max_depth:
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        kind, size, at = _read_head(value, at)
        if kind in ("list", "map"):
            open_items.append(size * 2 if kind == "map" else size)
            deepest = max(deepest, len(open_items) - 1)
        else:
            at += size
    return deepest


def _read_head(value: bytes, at: int) -> tuple[str, int, int]:
    """Return the kind of the item at a position, its size, and where its content starts."""
    first = value[at]
    if 0xA0 <= first <= 0xBF:
        return "bytes", first & 0x1F, at + 1
    if 0x80 <= first <= 0x9F:
        return ("map" if first < 0x90 else "list"), first & 0x0F, at + 1
    if first in _MSGPACK_SIZED:
        num_bytes, kind = _MSGPACK_SIZED[first]
        size = int.from_bytes(value[at + 1 : at + 1 + num_bytes], "big")
        is_extension = kind == "extension"  # one byte more, for its type
        return kind, size + is_extension, at + 1 + num_bytes
    return "bytes", _MSGPACK_FIXED.get(first, 0), at + 1


_DepthScan: TypeAlias = tuple[Callable[[bytes, int], bool], Callable[[bytes, int], int]]

#: By codec: whether a value may be too deep (quick), and how deep it is. Images have no structure.
_DEPTH_SCANS: dict[str, _DepthScan] = {
    "json": (may_be_deep_json, json_depth),
    "msgpack": (may_be_deep_msgpack, msgpack_depth),
    "json_schema": (may_be_deep_json, _framed_json_depth),
}


def _nests_freely(event_type: type[Event]) -> bool:
    """Return whether a field of the type can hold lists or maps of any depth."""
    seen: set[int] = set()

    def is_free(info: msgspec.inspect.Type) -> bool:
        if isinstance(info, msgspec.inspect.AnyType | msgspec.inspect.RawType):
            return True
        if isinstance(info, msgspec.inspect.CustomType):
            return True  # a user's type, which msgspec knows nothing about
        if id(info) in seen:  # a type that holds itself
            return True
        seen.add(id(info))
        inside = [
            part
            for name in info.__struct_fields__
            for part in _parts(getattr(info, name))
        ]  # fmt: skip
        any_free = any(map(is_free, inside))
        seen.discard(id(info))
        return any_free

    return is_free(msgspec.inspect.type_info(event_type))


def _parts(value: object) -> list[msgspec.inspect.Type]:
    if isinstance(value, msgspec.inspect.Type):
        return [value]
    if isinstance(value, msgspec.inspect.Field):
        return [value.type]
    if isinstance(value, tuple):
        return [part for item in value for part in _parts(item)]
    return []
