"""How deep and how wide a value is, told from its bytes: before anything is built from it.

Both scans are linear in the value and stop at the first limit that is passed, so that a record
made to be expensive costs no more than its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from schemas import TooLargeError


class Structure(NamedTuple):
    """What a value may hold."""

    max_depth: int
    """Lists and maps within each other."""
    max_items: int
    """Of all lists and maps together; a map's item is a key with its value."""
    max_string_bytes: int
    """Of one text or one binary value, as it is written."""

    def check_depth(self, depth: int) -> None:
        """Raise `TooLargeError` for one that is nested deeper."""
        if depth > self.max_depth:
            raise TooLargeError(
                f"lists and maps are nested deeper than {self.max_depth}: limits.max_depth"
            )

    def check_items(self, num_items: int) -> None:
        """Raise `TooLargeError` for one with more items."""
        if num_items > self.max_items:
            raise TooLargeError(
                f"lists and maps hold {num_items:,} items or more: limits.max_items is "
                f"{self.max_items:,}"
            )

    def check_string(self, num_bytes: int) -> None:
        """Raise `TooLargeError` for one with a longer string."""
        if num_bytes > self.max_string_bytes:
            raise TooLargeError(
                f"a string has {num_bytes:,} bytes: limits.max_string_bytes is "
                f"{self.max_string_bytes:,}"
            )


#: A string, closed or cut short: it always matches, so that no quote is looked at twice.
_JSON_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_BRACKET_STEPS = np.zeros(256, np.int32)
_BRACKET_STEPS[list(b"[{")] = 1
_BRACKET_STEPS[list(b"]}")] = -1


def check_json(value: bytes, limits: Structure) -> None:
    """Check a JSON value, well-formed or not.

    Raises:
        TooLargeError: it is over a limit.
    """
    if len(value) > limits.max_string_bytes:
        longest = max((len(string) for string in _JSON_STRING.findall(value)), default=0)
        limits.check_string(longest - 2)
    bare = _JSON_STRING.sub(b"", value)
    limits.check_items(bare.count(b",") + bare.count(b"[") + bare.count(b"{"))
    brackets = np.frombuffer(bare.translate(None, _NOT_BRACKETS), np.uint8)
    if brackets.size > limits.max_depth:
        limits.check_depth(int(_BRACKET_STEPS[brackets].cumsum().max()))


def may_be_deep_json(value: bytes, max_depth: int) -> bool:
    """Return whether a JSON value has enough brackets to be too deep."""
    return value.count(b"[") + value.count(b"{") > max_depth


#: First byte -> how many bytes follow that say a length, and what that length counts.
_MSGPACK_SIZED = {
    **dict.fromkeys((0xC4, 0xD9), (1, "string")),
    **dict.fromkeys((0xC5, 0xDA), (2, "string")),
    **dict.fromkeys((0xC6, 0xDB), (4, "string")),
    0xC7: (1, "extension"), 0xC8: (2, "extension"), 0xC9: (4, "extension"),
    0xDC: (2, "list"), 0xDD: (4, "list"), 0xDE: (2, "map"), 0xDF: (4, "map"),
}  # fmt: skip
#: First byte -> bytes of a value of fixed size: floats, whole numbers, fixed extensions.
_MSGPACK_FIXED = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_NOT_CONTAINERS = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))


def check_msgpack(value: bytes, limits: Structure) -> None:
    """Check a MessagePack value as far as it goes; a list that announces too much is refused.

    Raises:
        TooLargeError: it is over a limit.
    """
    at, num_items = 0, 0
    open_items = [1]  # items to come of each list or map that is open; a map's count twice
    while open_items and at < len(value):
        if open_items[-1] == 0:
            open_items.pop()
            continue
        open_items[-1] -= 1
        kind, size, at = _read_head(value, at)
        if kind == "string":
            limits.check_string(size)
            at += size
        elif kind == "other":
            at += size
        else:
            num_items += size
            limits.check_items(num_items)
            open_items.append(size * 2 if kind == "map" else size)
            limits.check_depth(len(open_items) - 1)


def _read_head(value: bytes, at: int) -> tuple[str, int, int]:
    """Return what starts at a position, its size, and where its content starts."""
    first = value[at]
    if 0xA0 <= first <= 0xBF:
        return "string", first & 0x1F, at + 1
    if 0x80 <= first <= 0x9F:
        return ("map" if first < 0x90 else "list"), first & 0x0F, at + 1
    if first in _MSGPACK_SIZED:
        num_bytes, kind = _MSGPACK_SIZED[first]
        size = int.from_bytes(value[at + 1 : at + 1 + num_bytes], "big")
        if kind == "extension":
            return "other", size + 1, at + 1 + num_bytes
        return kind, size, at + 1 + num_bytes
    return "other", _MSGPACK_FIXED.get(first, 0), at + 1


def may_be_deep_msgpack(value: bytes, max_depth: int) -> bool:
    """Return whether a MessagePack value has enough bytes that may open a list or map."""
    return len(value.translate(None, _NOT_CONTAINERS)) > max_depth


Check = Callable[[bytes, Structure], None]
MayBeDeep = Callable[[bytes, int], bool]

#: By codec; one that is not here (images) has no structure to speak of.
SCANS: dict[str, tuple[Check, MayBeDeep]] = {
    "json": (check_json, may_be_deep_json),
    "msgpack": (check_msgpack, may_be_deep_msgpack),
}
