"""Decode images to pixels.

Limits are checked by the header alone: no pixel of a decompression bomb is ever decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from models.images.headers import read_png_header, read_webp_header
from schemas import DecodeError, TooLargeError
from schemas.codecs import image_content_type

Pixels: TypeAlias = npt.NDArray[np.uint8]

#: Color spaces that libjpeg-turbo converts to RGB; Pillow, which is slower, converts CMYK.
_TURBO_SPACES = frozenset({"Gray", "YCbCr", "RGB"})
#: Exceptions that Pillow raises for damaged images (SyntaxError comes from its PNG reader).
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_HEADER_READERS = {"image/png": read_png_header, "image/webp": read_webp_header}
_PILLOW_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageLimits:
    """The largest picture to decode.

    Pillow always refuses PNG and WebP over 178,956,970 pixels.
    """

    max_pixels: int = 40_000_000
    """Width times height; a decoded pixel takes three bytes."""
    max_side: int = 20_000
    """Width and height, pixels."""
    max_frames: int = 1
    """Frames of an animated PNG or WebP; only the first is ever decoded."""

    def check(self, width: int, height: int, num_frames: int = 1) -> None:
        """Raise `TooLargeError` if a picture is over the limits."""
        if num_frames > self.max_frames:
            raise TooLargeError(
                f"an animation of {num_frames} frames: expected at most {self.max_frames}"
            )
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise TooLargeError(
                f"image of {width}x{height} pixels: expected at most {self.max_pixels} pixels "
                f"and {self.max_side} a side"
            )


@dataclass(frozen=True)
class Picture:
    """A decoded picture and the size of the original."""

    pixels: Pixels
    """(H, W, 3), RGB."""
    width: int
    """Width of the original, pixels."""
    height: int
    divisor: int = 1
    """1, 2, 4 or 8: how many times smaller than the original each side was decoded."""


#: Maps an original's height and width to the rows and columns that are needed of it.
Needed: TypeAlias = Callable[[int, int], tuple[int, int]]


def decode_image(image: bytes, limits: ImageLimits, needed: Needed | None = None) -> Picture:
    """Decode JPEG, PNG or WebP bytes.

    Gray, palette, CMYK and 16-bit pictures become RGB. Alpha is dropped, EXIF orientation is not
    applied, and only the first frame of an animation is decoded. Thread-safe; releases the GIL.

    Args:
        image: the file's bytes.
        limits: for the original's size, however few pixels are needed.
        needed: None decodes every pixel. Otherwise a JPEG is decoded at 1/2, 1/4 or 1/8 of its
            size if that leaves all the rows and columns needed. This is faster and gives
            slightly other pixels than decoding everything and resizing.

    Raises:
        DecodeError: not one of these formats, damaged, or truncated.
        TooLargeError: over the limits; raised before any pixel is decoded.
    """
    content_type = image_content_type(image)
    if not content_type:
        start = image[:8].hex(" ") or "nothing"
        raise DecodeError(f"neither JPEG, PNG nor WebP: the image starts with {start}")
    if content_type == "image/jpeg":
        return _decode_jpeg(image, limits, needed)
    return _decode_pillow(image, limits)


def _decode_jpeg(image: bytes, limits: ImageLimits, needed: Needed | None) -> Picture:
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(image)
        limits.check(width, height)
        if space not in _TURBO_SPACES:
            return _decode_pillow(image, limits)
        divisor = _divisor(height, width, needed) if needed else 1
        # strict: libjpeg only warns about a truncated file and fills the rest with gray.
        pixels: Pixels = simplejpeg.decode_jpeg(
            image,
            colorspace="RGB",
            strict=True,
            min_height=-(-height // divisor),
            min_width=-(-width // divisor),
            min_factor=divisor,
        )
    except (DecodeError, TooLargeError):
        raise
    except ValueError as error:
        raise DecodeError(f"damaged or truncated JPEG of {len(image)} bytes: {error}") from error
    return Picture(pixels, width, height, divisor)


def _divisor(height: int, width: int, needed: Needed) -> int:
    """Return the largest divisor that leaves the rows and columns that are needed.

    libjpeg-turbo has other eighths too, but they take longer than decoding the whole picture.
    """
    rows, columns = needed(height, width)
    for divisor in (8, 4, 2):
        if -(-height // divisor) >= rows and -(-width // divisor) >= columns:
            return divisor
    return 1


def _decode_pillow(image: bytes, limits: ImageLimits) -> Picture:
    if read_header := _HEADER_READERS.get(image_content_type(image)):
        limits.check(*read_header(image))
    try:
        with Image.open(io.BytesIO(image), formats=("PNG", "WEBP", "JPEG")) as opened:
            limits.check(opened.width, opened.height)
            pixels = np.array(_to_rgb(opened))
    except _PILLOW_BOMBS as error:
        raise TooLargeError(f"image too large: {error}") from error
    except TooLargeError:
        raise
    except _PILLOW_ERRORS as error:
        raise DecodeError(f"damaged or truncated image of {len(image)} bytes: {error}") from error
    return Picture(pixels, width=pixels.shape[1], height=pixels.shape[0])


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray: Pillow's conversion would saturate
        deep = np.asarray(image).astype(np.uint32) >> 8
        image = Image.fromarray(np.minimum(deep, 255).astype(np.uint8))
    elif "transparency" in image.info:  # a palette with alpha has to be converted to RGBA first
        image = image.convert("RGBA")
    return image.convert("RGB")
