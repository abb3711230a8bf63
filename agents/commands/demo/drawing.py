"""What the demo's pictures of frames share: colors, labels, captions, sheets and small files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas import Result, VideoFrame

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

#: Okabe and Ito's colors, which color-blind people can distinguish; black is for the text.
_COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2")
#: Smaller frames are enlarged to this width, so that the labels stay legible.
_MIN_WIDTH = 640
_FONT_PIXELS = 17
LINE_PIXELS = 3
#: Between two pictures of a sheet.
_GAP_PIXELS = 8
_MEDIAN_PIXELS = 5
#: A PNG with a palette has a third of the bytes.
_PALETTE_COLORS = 128


def color_of(number: int) -> str:
    """Return the color of a class or of a track."""
    return _COLORS[number % len(_COLORS)]


def opened(frame: VideoFrame, smooth: bool = False) -> tuple[Image.Image, float]:
    """Return a frame's picture, enlarged if it is small, and by how much.

    Args:
        frame: the frame.
        smooth: remove the frame's noise, which takes most bytes of a PNG.
    """
    from PIL import Image, ImageFilter

    with Image.open(io.BytesIO(frame.image)) as file:
        image: Image.Image = file.convert("RGB")
    if smooth:
        image = image.filter(ImageFilter.MedianFilter(_MEDIAN_PIXELS))
    factor = max(1.0, _MIN_WIDTH / image.width)
    return image.resize((round(image.width * factor), round(image.height * factor))), factor


def draw_box(pen: ImageDraw.ImageDraw, box: Sequence[float], text: str, color: str) -> None:
    """Draw a box, x1, y1, x2, y2 in the picture's pixels, with a label on it."""
    pen.rectangle(list(box), outline=color, width=LINE_PIXELS)
    draw_label(pen, (box[0], box[1] - _FONT_PIXELS - 5), text, color)


def draw_label(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, color: str) -> None:
    """Write black text on a color, inside the picture."""
    width = pen.textlength(text, font=_font())
    left, top = max(min(at[0], pen.im.size[0] - width - 6), 0), max(at[1], 0)
    pen.rectangle([left, top, left + width + 6, top + _FONT_PIXELS + 5], fill=color)
    pen.text((left + 3, top + 1), text, fill="black", font=_font())


def draw_caption(pen: ImageDraw.ImageDraw, frame: VideoFrame, result: Result) -> None:
    """Write below which frame it is and which model answered."""
    text = f"{frame.source_id}  frame {frame.frame_index}  {result.model} {result.model_version}"
    bottom = pen.im.size[1]
    top = bottom - _FONT_PIXELS - 9
    pen.rectangle([0, top, pen.textlength(text, font=_font()) + 12, bottom], fill="black")
    pen.text((6, top + 3), text, fill="white", font=_font())


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """Return pictures beside each other, as high as the lowest."""
    from PIL import Image

    height = min(image.height for image in images)
    images = [image.resize((image.width * height // image.height, height)) for image in images]
    width = sum(image.width for image in images) + _GAP_PIXELS * (len(images) - 1)
    sheet, left = Image.new("RGB", (width, height), "white"), 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + _GAP_PIXELS
    return sheet


def save_small(sheet: Image.Image, path: Path) -> None:
    """Write a PNG with a palette."""
    from PIL import Image

    reduced = sheet.quantize(_PALETTE_COLORS, kmeans=4, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(_FONT_PIXELS)
