"""A Pillow canvas on which every shape has one index instead of its color.

The functions that draw a scene draw its exact masks with it: same shapes, same order.
"""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageDraw


class IndexDraw(ImageDraw.ImageDraw):
    """Draws on a picture of mode L; the colors of shapes are replaced by `index`."""

    def __init__(self, image: Image.Image) -> None:
        super().__init__(image)
        self.index = 0
        """The value of the pixels drawn from now on, 0 to 255."""

    def polygon(self, xy: Any, *args: Any, **colors: Any) -> None:
        """Fill a polygon."""
        super().polygon(xy, *args, **self._replaced(colors))

    def rectangle(self, xy: Any, *args: Any, **colors: Any) -> None:
        """Fill a rectangle."""
        super().rectangle(xy, *args, **self._replaced(colors))

    def ellipse(self, xy: Any, *args: Any, **colors: Any) -> None:
        """Fill an ellipse, or draw its rim."""
        super().ellipse(xy, *args, **self._replaced(colors))

    def line(self, xy: Any, *args: Any, **colors: Any) -> None:
        """Draw a line."""
        super().line(xy, *args, **self._replaced(colors))

    def _replaced(self, options: dict[str, Any]) -> dict[str, Any]:
        return {k: self.index if k in ("fill", "outline") else v for k, v in options.items()}
