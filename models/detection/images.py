"""From encoded images to pixels, and from pixels to a network's input size and back.

Limits are checked on the header alone: no pixel of a decompression bomb is ever decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from models.detection.boxes import Floats, clip_boxes
from models.detection.containers import declared_png, declared_webp
from schemas import DecodeError, TooLargeError
from schemas.codecs import image_content_type

Pixels: TypeAlias = npt.NDArray[np.uint8]

#: What a letterbox is padded with, as YOLOv5 and its successors do.
PADDING_GREY = 114
#: Colour spaces that libjpeg-turbo turns into RGB by itself; CMYK goes the slower way, by Pillow.
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


def decode_image(image: bytes, limits: ImageLimits) -> Pixels:
    """Decode JPEG, PNG or WebP bytes.

    Grey, palette, CMYK and 16-bit pictures become RGB; alpha is dropped, EXIF orientation is not
    applied and of an animation the first frame is taken. Thread-safe, releases the GIL.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        DecodeError: not one of these formats, damaged, or cut short.
        TooLargeError: over the limits; found before any pixel is decoded.
    """
    content_type = image_content_type(image)
    if not content_type:
        start = image[:8].hex(" ") or "nothing"
        raise DecodeError(f"neither JPEG, PNG nor WebP: the image starts with {start}")
    if content_type == "image/jpeg":
        return _decode_jpeg(image, limits)
    return _decode_pillow(image, limits)


def _decode_jpeg(image: bytes, limits: ImageLimits) -> Pixels:
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(image)
        limits.check(width, height)
        if space not in _TURBO_SPACES:
            return _decode_pillow(image, limits)
        # strict: libjpeg only warns of a truncated file and fills the rest with grey.
        pixels: Pixels = simplejpeg.decode_jpeg(image, colorspace="RGB", strict=True)
    except (DecodeError, TooLargeError):
        raise
    except ValueError as error:
        raise DecodeError(f"damaged or truncated JPEG of {len(image)} bytes: {error}") from error
    return pixels


def _decode_pillow(image: bytes, limits: ImageLimits) -> Pixels:
    if declared := _DECLARED.get(image_content_type(image)):
        limits.check(*declared(image))
    try:
        with Image.open(io.BytesIO(image), formats=("PNG", "WEBP", "JPEG")) as opened:
            limits.check(opened.width, opened.height)
            return np.array(_to_rgb(opened))
    except _PILLOW_BOMBS as error:
        raise TooLargeError(f"image too large: {error}") from error
    except TooLargeError:
        raise
    except _PILLOW_ERRORS as error:
        raise DecodeError(f"damaged or truncated image of {len(image)} bytes: {error}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would saturate
        deep = np.asarray(image).astype(np.uint32) >> 8
        image = Image.fromarray(np.minimum(deep, 255).astype(np.uint8))
    elif "transparency" in image.info:  # a palette with alpha must pass through RGBA
        image = image.convert("RGBA")
    return image.convert("RGB")


@dataclass(frozen=True)
class Fit:
    """How a picture was brought to a network's size: network = original * scale + offset."""

    width: int
    """Of the original, pixels."""
    height: int
    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int

    def to_original(self, boxes: Floats) -> Floats:
        """Map boxes (n, 4) from network pixels to the original's, cut at its edges."""
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        return clip_boxes((boxes - offset) / scale, self.width, self.height)


def stretch(image: Pixels, height: int, width: int) -> tuple[Pixels, Fit]:
    """Resize (H, W, 3) to (height, width, 3), not keeping the aspect ratio."""
    rows, columns = image.shape[:2]
    fit = Fit(columns, rows, width / columns, height / rows, 0, 0)
    return _resize(image, height, width), fit


def letterbox(image: Pixels, height: int, width: int) -> tuple[Pixels, Fit]:
    """Resize (H, W, 3) to fit in (height, width, 3), aspect kept, the rest padded with grey."""
    rows, columns = image.shape[:2]
    scale = min(height / rows, width / columns)
    new_rows, new_columns = max(1, round(rows * scale)), max(1, round(columns * scale))
    top, left = (height - new_rows) // 2, (width - new_columns) // 2
    padded = np.full((height, width, 3), PADDING_GREY, np.uint8)
    padded[top : top + new_rows, left : left + new_columns] = _resize(image, new_rows, new_columns)
    return padded, Fit(columns, rows, new_columns / columns, new_rows / rows, left, top)


def _resize(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape[:2] == (height, width):
        return image
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
