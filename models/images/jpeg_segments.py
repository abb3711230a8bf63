"""The segments in front of a JPEG's first scan: its EXIF orientation, and where the scan starts.

Source: ITU-T T.81, annex B; EXIF as an APP1 segment by CIPA DC-008.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.images.orientation import orientation_in_exif

_APP1, _START_OF_SCAN, _FILL = 0xE1, 0xDA, 0xFF
_EXIF = b"Exif\0\0"


def jpeg_orientation(image: bytes) -> int:
    """Return a JPEG's EXIF orientation, 1 to 8; 1 if it has none."""
    for marker, start, stop in _segments(image):
        if marker == _APP1 and image.startswith(_EXIF, start):
            return orientation_in_exif(image[start + len(_EXIF) : stop])
    return 1


def start_of_scan(image: bytes) -> int:
    """Return where the data of the first scan start; the length of the file if there is none."""
    for marker, _, stop in _segments(image):
        if marker == _START_OF_SCAN:
            return stop
    return len(image)


def _segments(image: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and stop of each segment up to the first scan, or as far as it goes."""
    at = 2
    while at + 4 <= len(image) and image[at] == _FILL:
        marker = image[at + 1]
        if marker == _FILL:  # markers may have any number of fill bytes before them
            at += 1
            continue
        stop = at + 2 + int.from_bytes(image[at + 2 : at + 4], "big")
        yield marker, at + 4, stop
        if marker == _START_OF_SCAN:
            return
        at = stop
