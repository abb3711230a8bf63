"""Decode pictures with Pillow, as a viewer shows them: all formats but plain JPEG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from models.images.gray import GrayRange, to_eight_bits
from models.images.headers import read_png_header, read_webp_header
from models.images.limits import ImageLimits
from models.images.orientation import TAG, checked, turn
from models.images.picture import Picture, Pixels
from schemas import DecodeError, InputError, TooLargeError

#: Formats whose header Pillow can't be asked for safely, or that hide an animation from it.
_HEADER_READERS = {"PNG": read_png_header, "WebP": read_webp_header}
_PILLOW_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def decode_with_pillow(
    image: bytes, image_format: str, limits: ImageLimits, gray_range: GrayRange
) -> Picture:
    """Decode a picture to RGB, turned by its orientation. Alpha is dropped.

    Args:
        image: the file's bytes.
        image_format: of them, a name in `schemas.image_formats`.
        limits: of the size in the header.
        gray_range: for gray pictures of more than 8 bits.

    Raises:
        DecodeError: damaged or truncated, or of a kind that Pillow can't decode.
        TooLargeError: over the limits; no pixel was decoded.
    """
    if read_header := _HEADER_READERS.get(image_format):
        limits.check(*read_header(image))
    try:
        with Image.open(io.BytesIO(image), formats=(image_format.upper(),)) as opened:
            limits.check(opened.width, opened.height, _num_pictures(opened))
            opened.seek(0)
            opened.load()
            orientation = _orientation(opened)  # some files hold it behind the pixels
            pixels = turn(_to_rgb(opened, gray_range), orientation)
    except _PILLOW_BOMBS as error:
        raise TooLargeError(f"image too large: {error}") from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow raises errors of many types for damaged files
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "its header can't be read"
        raise DecodeError(
            f"damaged or truncated {image_format} of {len(image)} bytes: {reason}"
        ) from error
    return Picture(pixels, width=pixels.shape[1], height=pixels.shape[0])


def _num_pictures(opened: Image.Image) -> int:
    """Return how many pictures a file holds: frames of an animation, or pages."""
    if not getattr(opened, "is_animated", False):
        return 1
    return int(getattr(opened, "n_frames", 2))


def _orientation(opened: Image.Image) -> int:
    try:
        return checked(opened.getexif().get(TAG))
    except Exception:  # damaged EXIF: viewers show the picture as it is stored
        return 1


def _to_rgb(opened: Image.Image, gray_range: GrayRange) -> Pixels:
    if opened.mode.startswith(("I", "F")):  # Pillow's conversion would saturate
        opened = Image.fromarray(to_eight_bits(np.asarray(opened), gray_range))
    elif "transparency" in opened.info:  # a palette with alpha has to be converted to RGBA first
        opened = opened.convert("RGBA")
    return np.array(opened.convert("RGB"))
