"""From encoded images to pixels.

Limits are checked on the header alone: no pixel of a decompression bomb is ever decoded.
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

from models.detection.image_headers import declared_png, declared_webp
from schemas import DecodeError, TooLargeError
from schemas.codecs import image_content_type

Pixels: TypeAlias = npt.NDArray[np.uint8]

#: Color spaces that libjpeg-turbo turns into RGB by itself; CMYK goes the slower way, by Pillow.
_TURBO_SPACES = frozenset({"Gray", "YCbCr", "RGB"})
#: What Pillow raises on bytes that are no image (its PNG reader uses SyntaxError for it).
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
_DECLARED = {"image/png": declared_png, "image/webp": declared_webp}
_PILLOW_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class ImageLimits:
    """The largest picture that is decoded.

    PNG and WebP over 178,956,970 pixels are refused whatever is set here: Pillow's own limit.
    """

    max_pixels: int = 40_000_000
    """Width times height; decoded, a pixel takes three bytes."""
    max_side: int = 20_000
    """Pixels."""
    max_frames: int = 1
    """Pictures of an animated PNG or WebP; only the first is ever decoded."""

    def check(self, width: int, height: int, num_frames: int = 1) -> None:
        """Raise `TooLargeError` for a picture over the limits."""
        if num_frames > self.max_frames:
            raise TooLargeError(
                f"an animation of {num_frames} pictures: expected at most {self.max_frames}"
            )
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise TooLargeError(
                f"image of {width}x{height} pixels: expected at most {self.max_pixels} pixels "
                f"and {self.max_side} a side"
            )


@dataclass(frozen=True)
class Picture:
    """A decoded picture, and what it was before."""

    pixels: Pixels
    """(H, W, 3), RGB."""
    width: int
    """Of the original, pixels."""
    height: int
    divisor: int = 1
    """1, 2, 4 or 8: a pixel here stands for so many of the original's in either direction."""


#: From an original's height and width to how many rows and columns are needed of it.
Needed: TypeAlias = Callable[[int, int], tuple[int, int]]


def decode_image(image: bytes, limits: ImageLimits, needed: Needed | None = None) -> Picture:
    """Decode JPEG, PNG or WebP bytes.

    Gray, palette, CMYK and 16-bit pictures become RGB; alpha is dropped, EXIF orientation is not
    applied and of an animation the first frame is taken. Thread-safe, releases the GIL.

    Args:
        image: the file's bytes.
        limits: on the original's size, whatever is needed of it.
        needed: None decodes every pixel. Otherwise a JPEG of which fewer rows and columns are
            needed is decoded at 1/2, 1/4 or 1/8 of its size, never to fewer than these: faster,
            but other pixels than by decoding all and resizing.

    Raises:
        DecodeError: not one of these formats, damaged, or cut short.
        TooLargeError: over the limits; found before any pixel is decoded.
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
        # strict: libjpeg only warns of a truncated file and fills the rest with gray.
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

    libjpeg-turbo also knows eighths between these; those take longer than the whole picture.
    """
    rows, columns = needed(height, width)
    for divisor in (8, 4, 2):
        if -(-height // divisor) >= rows and -(-width // divisor) >= columns:
            return divisor
    return 1


def _decode_pillow(image: bytes, limits: ImageLimits) -> Picture:
    if declared := _DECLARED.get(image_content_type(image)):
        limits.check(*declared(image))
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
    if image.mode.startswith("I"):  # 16-bit gray: Pillow's own conversion would saturate
        deep = np.asarray(image).astype(np.uint32) >> 8
        image = Image.fromarray(np.minimum(deep, 255).astype(np.uint8))
    elif "transparency" in image.info:  # a palette with alpha must pass through RGBA
        image = image.convert("RGBA")
    return image.convert("RGB")
