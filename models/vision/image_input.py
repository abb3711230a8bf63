"""The input that an image network expects: size, resizing, normalization, order of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.core_pool import CorePool
from models.images import ImageLimits, Pixels, decode_image
from models.transfer import Transfer
from schemas import InputError

Floats: TypeAlias = npt.NDArray[np.float32]
RESIZES = ("crop", "stretch")
RESAMPLINGS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
#: How Pillow converts RGB to gray: ITU-R 601-2 luma.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class FrameSize:
    """A good frame of a batch: the size of its original."""

    width: int
    height: int


#: For each picture of a batch: the size of its original, or its error.
Slots: TypeAlias = list[FrameSize | InputError]


@dataclass(frozen=True)
class ImageInput:
    """How a picture becomes a row of a batch: value = (gray level * scale - mean) / std."""

    height: int
    width: int
    resize: str = "crop"
    """`crop`: the shorter side to `resized_to`, then the middle; `stretch`: both sides, without
    keeping the aspect ratio."""
    resized_to: int = 0
    """Length of the shorter side before the crop, pixels; 0: that of the input, without a crop
    share."""
    resampling: str = "bilinear"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """For each channel, in the order R, G, B."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    scale: float = 1 / 255
    is_bgr: bool = False
    is_channels_last: bool = False
    """Rows are (height, width, channels); otherwise (channels, height, width)."""

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise ValueError(f"resize is {self.resize!r}: expected one of {', '.join(RESIZES)}")
        if self.resampling not in RESAMPLINGS:
            known = ", ".join(RESAMPLINGS)
            raise ValueError(f"resampling is {self.resampling!r}: expected one of {known}")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError(f"mean {self.mean}, std {self.std}: expected 1 or 3 numbers in both")
        if min(self.std) <= 0:
            raise ValueError(f"std is {self.std}: expected more than 0")

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a row."""
        channels, size = len(self.mean), (self.height, self.width)
        return (*size, channels) if self.is_channels_last else (channels, *size)

    def write(self, pixels: Pixels, row: Floats) -> None:
        """Write a picture (H, W, 3) uint8 RGB into its row of a batch."""
        resized = self._resized(pixels).astype(np.float32)
        if len(self.mean) == 1:
            resized = np.rint(resized @ _LUMA)[:, :, None]
        values = resized * np.float32(self.scale) - np.array(self.mean, np.float32)
        values /= np.array(self.std, np.float32)
        if self.is_bgr:
            values = values[:, :, ::-1]
        row[:] = values if self.is_channels_last else values.transpose(2, 0, 1)

    def _resized(self, pixels: Pixels) -> Pixels:
        rows, columns = pixels.shape[:2]
        if (rows, columns) == (self.height, self.width) and not self._crops:
            return pixels
        image, resampling = Image.fromarray(pixels), RESAMPLINGS[self.resampling]
        if self.resize == "stretch":
            return np.asarray(image.resize((self.width, self.height), resampling))
        target = self.resized_to or min(self.height, self.width)
        # The longer side is cut down, not rounded, as torchvision's Resize does.
        short, long = min(rows, columns), max(rows, columns)
        other = int(target * long / short)
        new_rows, new_columns = (target, other) if rows <= columns else (other, target)
        new_rows, new_columns = max(new_rows, self.height), max(new_columns, self.width)
        top, left = round((new_rows - self.height) / 2), round((new_columns - self.width) / 2)
        # Only the middle is computed: a long strip would otherwise become very large.
        step_x, step_y = columns / new_columns, rows / new_rows
        box = (
            left * step_x,
            top * step_y,
            min(columns, (left + self.width) * step_x),
            min(rows, (top + self.height) * step_y),
        )
        return np.asarray(image.resize((self.width, self.height), resampling, box))

    @property
    def _crops(self) -> bool:
        return self.resize == "crop" and self.resized_to > min(self.height, self.width)

    def decode_all(
        self, images: Sequence[bytes], limits: ImageLimits, cores: CorePool, transfer: Transfer
    ) -> tuple[Slots, Floats]:
        """Decode B pictures on all cores.

        Returns:
            B slots in input order, and the n good pictures, (n, *shape) float32 in memory from
            `transfer`.
        """
        rows = transfer.empty((len(images), *self.shape), np.float32)

        def decode_row(index: int) -> FrameSize | InputError:
            try:
                picture = decode_image(images[index], limits)
            except InputError as error:
                return error
            self.write(picture.pixels, rows[index])
            return FrameSize(picture.width, picture.height)

        slots = cores.map(decode_row, range(len(images)))
        good = [index for index, slot in enumerate(slots) if isinstance(slot, FrameSize)]
        for place, index in enumerate(good):
            if place != index:
                rows[place] = rows[index]
        return slots, rows[: len(good)]
