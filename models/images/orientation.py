"""EXIF orientation: how a stored picture has to be turned to be shown.

Source: CIPA DC-008 (Exif 2.32), tag 0x0112.
"""

from __future__ import annotations

import numpy as np

from models.images.picture import Pixels

#: The tag of the orientation in EXIF and TIFF.
TAG = 0x0112
_UPRIGHT = 1


def checked(value: object) -> int:
    """Return an orientation, 1 to 8; 1 (upright) for anything else, as viewers do."""
    return value if isinstance(value, int) and 1 <= value <= 8 else _UPRIGHT


def is_on_its_side(orientation: int) -> bool:
    """Return whether width and height change places when the picture is shown."""
    return orientation >= 5


def turn(pixels: Pixels, orientation: int) -> Pixels:
    """Return stored pixels (H, W, 3) as a viewer shows them, contiguous.

    Args:
        pixels: as they are stored.
        orientation: 1 to 8. From 5 on rows and columns change places.
    """
    if orientation == _UPRIGHT:
        return pixels
    shown = pixels.transpose(1, 0, 2) if is_on_its_side(orientation) else pixels
    if orientation in (2, 3, 6, 7):
        shown = shown[:, ::-1]
    if orientation in (3, 4, 7, 8):
        shown = shown[::-1]
    return np.ascontiguousarray(shown)


def orientation_in_exif(exif: bytes) -> int:
    """Return the orientation in the first directory of EXIF data; 1 if it has none or is damaged.

    Args:
        exif: from the TIFF header on (`II` or `MM`).
    """
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(exif[:4])
    if order is None:
        return _UPRIGHT

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], "little" if order == "little" else "big")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), (len(exif) - directory) // 12)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == TAG:
            return checked(number(at + 8, 2))
    return _UPRIGHT
