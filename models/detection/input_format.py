"""Convert pictures to a network's input, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from models.core_pool import CorePool
from models.detection.boxes import Floats
from models.detection.fitting import Fit, Fitting, letterbox, letterboxed_size, stretch
from models.detection.layouts import InputStyle
from models.detection.networks import write_planes
from models.images import GrayRange, ImageLimits, Pixels, decode_image
from models.transfer import Transfer
from schemas import InputError

#: For each picture of a batch, how it was fitted to the network's size, or its error.
Slots: TypeAlias = list[Fit | InputError]


@dataclass(frozen=True)
class InputFormat:
    """The input that a network expects."""

    height: int
    width: int
    style: InputStyle
    """Placing of the picture, order of channels and range of values."""
    scales_jpeg: bool = False
    """Whether JPEG is decoded at 1/2, 1/4 or 1/8 if the network needs no more pixels."""
    gray_range: GrayRange = None
    """Which levels of a gray picture of more than 8 bits become black and white."""

    def size_in_input(self, rows: int, columns: int) -> tuple[int, int]:
        """Return how many rows and columns a picture of that size has in the network's input."""
        if self.style.fitting is Fitting.STRETCH:
            return self.height, self.width
        return letterboxed_size(rows, columns, self.height, self.width, self._margin)

    @property
    def _margin(self) -> int:
        return self.style.margins.get(max(self.height, self.width), 0)

    def _place(self, pixels: Pixels) -> tuple[Pixels, Fit]:
        style = self.style
        if style.fitting is Fitting.STRETCH:
            return stretch(pixels, self.height, self.width)
        return letterbox(
            pixels,
            self.height,
            self.width,
            is_centered=style.fitting is Fitting.LETTERBOX,
            gray=style.padding_gray,
            margin=self._margin,
        )

    def decode(self, image: bytes, limits: ImageLimits, planes: Floats) -> Fit:
        """Decode a picture into its row (3, height, width) of a batch.

        Raises:
            InputError: the picture can't be decoded, or is over the limits.
        """
        needed = self.size_in_input if self.scales_jpeg else None
        picture = decode_image(image, limits, needed, self.gray_range)
        pixels, fit = self._place(picture.pixels)
        style = self.style
        scale = [style.scale / std for std in style.std]
        shift = [-mean / std for mean, std in zip(style.mean, style.std, strict=True)]
        write_planes(pixels, scale, shift, style.is_bgr, planes)
        return fit.of_larger(picture.width, picture.height, picture.divisor)

    def decode_all(
        self, images: Sequence[bytes], limits: ImageLimits, cores: CorePool, transfer: Transfer
    ) -> tuple[Slots, Floats]:
        """Decode B pictures on all cores.

        Returns:
            B slots in input order, and the pixels of the good pictures, (n, 3, height, width)
            float32 in memory from `transfer`.
        """
        pixels = transfer.empty((len(images), 3, self.height, self.width), np.float32)

        def decode_row(row: int) -> Fit | InputError:
            try:
                return self.decode(images[row], limits, pixels[row])
            except InputError as error:
                return error

        slots = cores.map(decode_row, range(len(images)))
        return slots, _good_rows(slots, pixels)


def _good_rows(slots: Slots, pixels: Floats) -> Floats:
    """Move the rows of good pictures to the front and return them: bad pictures left gaps."""
    rows = [row for row, slot in enumerate(slots) if isinstance(slot, Fit)]
    for place, row in enumerate(rows):
        if place != row:
            pixels[place] = pixels[row]
    return pixels[: len(rows)]
