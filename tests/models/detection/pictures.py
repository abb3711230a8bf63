"""Pictures of many kinds and sizes, encoded."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

from models.detection.fitting import Fit
from models.detection.input_format import Slots

#: EXIF's tag of how the camera was held, and its word for a quarter turn.
_ORIENTATION, _QUARTER_TURN = 0x0112, 6


def encode(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def blotches(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Return soft blotches of colour: smooth like a photograph, different everywhere."""
    size = (max(2, height // 8), max(2, width // 8), 3)
    small = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    return Image.fromarray(small).resize((width, height)).convert(mode)


def turned(image: Image.Image) -> bytes:
    """Return a JPEG whose EXIF says that the camera was held on its side."""
    exif = Image.Exif()
    exif[_ORIENTATION] = _QUARTER_TURN
    return encode(image, exif=exif)


def jpeg_bomb() -> bytes:
    """Return a JPEG that claims 30,000 pixels a side."""
    jpeg = bytearray(encode(blotches(64, 48)))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 30_000, 30_000)
    return bytes(jpeg)


def mixed_pictures() -> list[bytes]:
    """Return pictures of all kinds, good and bad, in an order that leaves gaps."""
    photo = encode(blotches(320, 240, 1))
    return [
        photo[: len(photo) // 2],
        encode(blotches(320, 240, 2)),
        encode(blotches(64, 64, 3), "PNG"),
        jpeg_bomb(),
        encode(blotches(90, 70, 4, mode="CMYK")),
        b"no picture",
        photo,
        encode(blotches(64, 64), "PNG")[:300],
        encode(blotches(80, 80, 5), "WEBP"),
        encode(blotches(320, 240, 6)),
        photo[:-2],
    ]


def told(slots: Slots) -> list[Fit | tuple[str, str]]:
    """Return what was said of each picture, in a form that can be compared."""
    return [slot if isinstance(slot, Fit) else (type(slot).__name__, str(slot)) for slot in slots]
