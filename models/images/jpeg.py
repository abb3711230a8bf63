"""Decode JPEG with libjpeg-turbo: strictly, at full size or scaled, and as a viewer shows it."""

from __future__ import annotations

import re

import numpy as np
import simplejpeg

from models.images.jpeg_segments import jpeg_orientation, start_of_scan
from models.images.limits import ImageLimits
from models.images.orientation import is_on_its_side, turn
from models.images.other_formats import decode_with_pillow
from models.images.picture import Needed, Picture, Pixels
from schemas import DecodeError

#: Color spaces that libjpeg-turbo converts to CMYK, not to RGB.
_CMYK_SPACES = frozenset({"CMYK", "YCCK"})
#: What libjpeg says about bytes that belong to no pixel, in front of a marker.
_STRAY = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
#: Zeros in front of a restart or the end; the zero after FF is part of the data (byte stuffing).
_ZEROS_BEFORE_MARKER = re.compile(rb"(?<!\xff)\x00+(?=\xff[\xd0-\xd9])")
#: How often a picture with stray bytes that are not zeros is decoded to find all of them.
_MAX_TRIES = 24


def decode_jpeg(image: bytes, limits: ImageLimits, needed: Needed | None) -> Picture:
    """Decode a JPEG to RGB, turned by its EXIF orientation.

    Stray bytes in front of a marker, as some cameras write them, are skipped: they touch no pixel.

    Raises:
        DecodeError: damaged or truncated.
        TooLargeError: over the limits; no pixel was decoded.
    """
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(image)
    except ValueError as error:
        raise _damaged(image, error) from error
    except KeyError:  # it knows no name for rare samplings of color, such as 4:4:1
        return decode_with_pillow(image, "JPEG", limits, None)
    limits.check(width, height)
    orientation = jpeg_orientation(image)
    shown_height, shown_width = height, width
    if is_on_its_side(orientation):
        shown_height, shown_width = width, height
    divisor = _divisor(shown_height, shown_width, needed) if needed else 1
    decoder = _Decoder(
        "CMYK" if space in _CMYK_SPACES else "RGB", -(-height // divisor), -(-width // divisor),
        divisor,
    )  # fmt: skip
    try:
        stored = decoder.decode(image)
    except ValueError as error:
        stored = _without_strays(decoder, image, error)
    if space in _CMYK_SPACES:
        stored = _cmyk_to_rgb(stored)
    return Picture(turn(stored, orientation), shown_width, shown_height, divisor)


class _Decoder:
    """Decodes one picture, perhaps several times."""

    def __init__(self, colorspace: str, rows: int, columns: int, divisor: int) -> None:
        self._colorspace, self._rows, self._columns = colorspace, rows, columns
        self._divisor = divisor

    def decode(self, image: bytes) -> Pixels:
        # strict: libjpeg only warns about a truncated file and fills the rest with gray.
        pixels: Pixels = simplejpeg.decode_jpeg(
            image,
            colorspace=self._colorspace,
            strict=True,
            min_height=self._rows,
            min_width=self._columns,
            min_factor=self._divisor,
        )
        return pixels


def _divisor(height: int, width: int, needed: Needed) -> int:
    """Return the largest divisor that leaves the rows and columns that are needed.

    libjpeg-turbo has other eighths too, but they take longer than decoding the whole picture.
    """
    rows, columns = needed(height, width)
    for divisor in (8, 4, 2):
        if -(-height // divisor) >= rows and -(-width // divisor) >= columns:
            return divisor
    return 1


def _without_strays(decoder: _Decoder, image: bytes, error: ValueError) -> Pixels:
    """Decode a picture again without the stray bytes that libjpeg complained of.

    libjpeg reports its last complaint only. So the bytes are taken out, and what is left must
    decode without any complaint: that shows that nothing else is wrong.

    Raises:
        DecodeError: something else is wrong.
    """
    if not _STRAY.search(str(error)):
        raise _damaged(image, error) from error
    scan = start_of_scan(image)
    left = image[:scan] + _ZEROS_BEFORE_MARKER.sub(b"", image[scan:])
    try:
        return decoder.decode(left)
    except ValueError:
        pass  # other strays than zeros, or other damage
    return _cut_strays(decoder, image, scan, error)


def _cut_strays(decoder: _Decoder, image: bytes, scan: int, error: ValueError) -> Pixels:
    """Cut out stray bytes of any value, one place after the other, until the rest decodes."""
    left, num_tries, complaint = image, 0, error
    while stray := _STRAY.search(str(complaint)):
        count, marker = int(stray[1]), bytes([0xFF, int(stray[2], 16)])
        before = complaint
        place = left.rfind(marker)
        while place - count >= scan and num_tries < _MAX_TRIES:
            num_tries += 1
            cut = left[: place - count] + left[place:]
            try:
                return decoder.decode(cut)
            except ValueError as next_complaint:
                # Cutting at the wrong one of several such markers makes other damage.
                if _STRAY.search(str(next_complaint)) and str(next_complaint) != str(complaint):
                    left, complaint = cut, next_complaint
                    break
            place = left.rfind(marker, 0, place)
        if complaint is before:
            break
    raise _damaged(image, error) from error


def _cmyk_to_rgb(inverted: Pixels) -> Pixels:
    """Return RGB of CMYK (H, W, 4) as JPEG holds it: inverted, 255 is no ink (Adobe's way).

    Viewers read every CMYK JPEG in this way, also one without Adobe's marker.
    """
    light = inverted.astype(np.uint16)
    return ((light[..., :3] * light[..., 3:] + 127) // 255).astype(np.uint8)


def _damaged(image: bytes, error: ValueError) -> DecodeError:
    return DecodeError(f"damaged or truncated JPEG of {len(image)} bytes: {error}")
