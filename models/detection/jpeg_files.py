"""Which JPEG files may be decoded by something less careful than libjpeg: told by bytes alone."""

from __future__ import annotations

from dataclasses import dataclass

import simplejpeg

from models.detection.images import ImageLimits
from schemas import TooLargeError
from schemas.codecs import image_content_type

#: As libjpeg reads them. RGB is left to it: others may take three channels for YCbCr unasked.
_SPACES = frozenset({"Gray", "YCbCr"})
_SUBSAMPLINGS = frozenset({"Gray", "444", "422", "420", "440", "411"})

_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
#: Baseline and progressive, both by Huffman; not extended, lossless or arithmetic.
_FRAMES = frozenset({0xC0, 0xC2})
#: Huffman and quantization tables, restart interval, and what JFIF and Adobe say of the colours.
_TABLES = frozenset({0xC4, 0xDB, 0xDD, 0xE0, 0xEE})
#: Comments, and what applications add: EXIF, XMP, colour profiles, previews.
_REMARKS = frozenset({0xFE, *range(0xE1, 0xEE), 0xEF})
#: A header has a few dozen; a file of thousands of empty ones is made to waste time.
_MAX_SEGMENTS = 1_000


@dataclass(frozen=True)
class PlainJpeg:
    """A JPEG that is complete, within the limits and of the usual kind."""

    encoded: bytearray
    """The file without remarks. TorchCodec would turn the picture as EXIF says, which is done
    nowhere here; and nvJPEG is said to refuse files for what a camera's maker put there."""
    height: int
    """Pixels."""
    width: int

    @property
    def num_pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def plain_jpeg(image: bytes, limits: ImageLimits) -> PlainJpeg | None:
    """Return the picture if any decoder should get it right, by its header and its end alone.

    Plain is: 8 bits a channel, grey or YCbCr, baseline or progressive, one picture size, every
    segment in its place up to the first scan, and an end. What is damaged between the header and
    the end is not noticed.

    Returns:
        None for everything else, pictures over the limits included: `decode_image` says of them
        what is wrong, or decodes them. Whatever the bytes are, nothing is raised.
    """
    if image_content_type(image) != "image/jpeg":
        return None
    try:
        height, width, space, subsampling = simplejpeg.decode_jpeg_header(image)
        limits.check(width, height)
    except (ValueError, TooLargeError):
        return None
    if space not in _SPACES or subsampling not in _SUBSAMPLINGS:
        return None
    encoded = _without_remarks(image)
    return None if encoded is None else PlainJpeg(encoded, height, width)


def _without_remarks(image: bytes) -> bytearray | None:
    """Return a file without its remarks; None if its header is odd, or if it has no end.

    That the header names one size of picture, libjpeg has seen before.
    """
    kept, at = [image[:2]], 2
    for _ in range(_MAX_SEGMENTS):
        prefix, kind, size = image[at : at + 1], image[at + 1 : at + 2], image[at + 2 : at + 4]
        end = at + 2 + int.from_bytes(size, "big")
        if prefix != b"\xff" or end < at + 4 or end > len(image):
            return None
        marker = kind[0]
        if marker == _START_OF_SCAN:
            # Scans can't contain these two bytes, and a thumbnail's end lies before them.
            if image.rfind(_END, end) < 0:
                return None
            return bytearray().join([*kept, image[at:]])
        if marker in _FRAMES:
            if image[at + 4 : at + 5] != b"\x08":  # bits a channel
                return None
        elif marker not in _TABLES and marker not in _REMARKS:
            return None
        if marker not in _REMARKS:
            kept.append(image[at:end])
        at = end
    return None
