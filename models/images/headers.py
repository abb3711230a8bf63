"""Read the size and number of frames from the headers of PNG and WebP files.

Pillow can't be asked: it allocates the whole canvas of a WebP file when it opens it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from schemas import DecodeError

#: A picture has a few dozen; a file with thousands of empty blocks is made to waste time.
_MAX_BLOCKS = 10_000


class ImageHeader(NamedTuple):
    """The size and number of frames in a file's header."""

    width: int
    """Pixels."""
    height: int
    num_frames: int
    """1 unless the file is an animation."""


def read_png_header(image: bytes) -> ImageHeader:
    """Read a PNG's `IHDR` block and, if it is an animation, its `acTL` block.

    Raises:
        DecodeError: it does not start with `IHDR`.
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
    return ImageHeader(width, height, max(num_frames, 1))


def read_webp_header(image: bytes) -> ImageHeader:
    """Read a WebP's first block and count its frames.

    Raises:
        DecodeError: the first block is truncated or of no known kind.
    """
    kind, body = image[12:16], image[20:30]
    if len(body) < 10:
        raise DecodeError("damaged WebP: its header is truncated")
    if kind == b"VP8X":
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
        frames = sum(block == b"ANMF" for block, _ in _blocks(image, 12, "<4sI", tail=0))
        return ImageHeader(width, height, max(frames, 1))
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return ImageHeader((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", body[6:10])
        return ImageHeader(width & 0x3FFF, height & 0x3FFF, 1)
    raise DecodeError(f"damaged WebP: no picture in its first block, {kind.hex(' ')}")


def _blocks(image: bytes, at: int, head: str, tail: int) -> Iterator[tuple[bytes, int]]:
    """Yield each block's kind and the position of its content, up to the end of the file.

    Args:
        image: the file's bytes.
        at: where the first block starts.
        head: the layout of a block's size and kind, for `struct`.
        tail: bytes after the content (PNG's checksum). WebP pads an odd size by one byte.
    """
    size_first = head.endswith("s")
    for _ in range(_MAX_BLOCKS):
        if at + 8 > len(image):
            return
        first, second = struct.unpack_from(head, image, at)
        size, kind = (first, second) if size_first else (second, first)
        yield kind, at + 8
        at += 8 + size + tail + (0 if size_first else size % 2)
    raise DecodeError(f"damaged image: it has more than {_MAX_BLOCKS:,} blocks")
