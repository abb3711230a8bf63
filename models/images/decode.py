"""Decode images to pixels.

Limits are checked by the header alone: no pixel of a decompression bomb is ever decoded.
"""

from __future__ import annotations

from models.images.gray import GrayRange
from models.images.jpeg import decode_jpeg
from models.images.limits import ImageLimits
from models.images.other_formats import decode_with_pillow
from models.images.picture import Needed, Picture
from schemas import DecodeError
from schemas.image_formats import DECODED, image_format, why_not_decoded


def decode_image(
    image: bytes,
    limits: ImageLimits,
    needed: Needed | None = None,
    gray_range: GrayRange = None,
) -> Picture:
    """Decode JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF bytes to RGB, as a viewer shows them.

    The picture is turned by its EXIF orientation. Gray, palette, CMYK and 16-bit pictures become
    RGB, alpha is dropped, color profiles are not applied. Thread-safe; releases the GIL.

    Args:
        image: the file's bytes.
        limits: for the whole picture's size, however few pixels are needed.
        needed: None decodes every pixel. Otherwise a JPEG is decoded at 1/2, 1/4 or 1/8 of its
            size if that leaves all the rows and columns needed. This is faster and gives
            slightly other pixels than decoding everything and resizing.
        gray_range: which levels of a gray picture of more than 8 bits become black and white.

    Raises:
        DecodeError: of another format (the message names it), damaged, or truncated.
        TooLargeError: over the limits, or an animation; raised before any pixel is decoded.
    """
    name = image_format(image)
    if name not in DECODED:
        raise DecodeError(why_not_decoded(image))
    if name == "JPEG":
        return decode_jpeg(image, limits, needed)
    return decode_with_pillow(image, name, limits, gray_range)
