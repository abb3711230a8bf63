"""The largest picture that is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from schemas import DecodeError, TooLargeError


@dataclass(frozen=True)
class ImageLimits:
    """The largest picture to decode, by what its header says.

    Pillow always refuses pictures of other formats than JPEG over 178,956,970 pixels.
    """

    max_pixels: int = 40_000_000
    """Width times height; a decoded pixel takes three bytes."""
    max_side: int = 20_000
    """Width and height, pixels."""
    max_frames: int = 1
    """Pictures in an animation or a file of several pages; only the first is ever decoded."""

    def check(self, width: int, height: int, num_frames: int = 1) -> None:
        """Check a picture's size before it is decoded.

        Raises:
            DecodeError: it has no pixels.
            TooLargeError: it is over the limits.
        """
        if width < 1 or height < 1:
            raise DecodeError(f"image of {width}x{height} pixels: expected at least 1x1")
        if num_frames > self.max_frames:
            raise TooLargeError(
                f"an animation of {num_frames} frames: expected at most {self.max_frames}"
            )
        if max(width, height) > self.max_side or width * height > self.max_pixels:
            raise TooLargeError(
                f"image of {width}x{height} pixels: expected at most {self.max_pixels} pixels "
                f"and {self.max_side} a side"
            )
