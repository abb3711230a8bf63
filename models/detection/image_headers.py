"""What PNG and WebP files declare of themselves: size and number of pictures, from bytes alone.

Pillow allocates a WebP's whole canvas when it opens the file, before anybody can ask for its size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from schemas import DecodeError

#: A picture has a few dozen; a file of thousands of empty ones is made to waste time.
_MAX_BLOCKS = 10_000


class Declared(NamedTuple):
    """What a file says before anything in it is decoded."""

    width: int
    """Pixels."""
    height: int
    num_frames: int
    """1 for a still picture."""


def declared_png(image: bytes) -> Declared:
    """Return what a PNG's `IHDR` and, of an animation, `acTL` say.

    Raises:
        DecodeError: it has no such header.
    """
    if image[12:16] != b"IHDR" or len(image) < 24:
        raise DecodeError("damaged PNG: it does not start with IHDR")
    width, height = struct.unpack(">II", image[16:24])
    num_frames = 1
    for kind, start in _blocks(image, 8, ">I4s", tail=4):
        if kind == b"acTL":
            num_frames = int.from_bytes(image[start : start + 4], "big")
        if kind in (b"acTL", b"IDAT"):
            break
    return Declared(width, height, max(num_frames, 1))


def declared_webp(image: bytes) -> Declared:
    """Return what a WebP's first block says, and how many pictures follow.

    Raises:
        DecodeError: its header is cut short or of no known kind.
    """
    kind, body = image[12:16], image[20:30]
    if len(body) < 10:
        raise DecodeError("damaged WebP: its header is cut short")
    if kind == b"VP8X":
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
        # In front of the blocks' padding: an odd size is followed by one byte more.
        frames = sum(found == b"ANMF" for found, _ in _blocks(image, 12, "<4sI", tail=0))
        return Declared(width, height, max(frames, 1))
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return Declared((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return Declared(width & 0x3FFF, height & 0x3FFF, 1)
    raise DecodeError(f"damaged WebP: no picture in its first block, {kind.hex(' ')}")


def _blocks(image: bytes, at: int, head: str, tail: int) -> Iterator[tuple[bytes, int]]:
    """Yield each block's kind and where its content starts, as far as the file goes."""
    size_first = head.endswith("s")
    for _ in range(_MAX_BLOCKS):
        if at + 8 > len(image):
            return
        first, second = struct.unpack_from(head, image, at)
        size, kind = (first, second) if size_first else (second, first)
        yield kind, at + 8
        at += 8 + size + tail + (0 if size_first else size % 2)
    raise DecodeError(f"damaged image: it has more than {_MAX_BLOCKS:,} blocks")
