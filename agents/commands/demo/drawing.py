"""Frames with what was found on them: boxes, labels and scores."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.commands.demo.gallery import Shot
from schemas import Detection

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

#: Okabe and Ito's colours, told apart by the colour-blind too; black is for the letters.
_COLORS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2")
#: Pictures get this width at least, so that labels stay legible.
_MIN_WIDTH = 640
_FONT_PIXELS = 13
_LINE_PIXELS = 2
_JPEG_QUALITY = 90
_PATTERN = "frame-??.jpg"


def draw_shots(shots: Sequence[Shot], folder: Path) -> list[Path]:
    """Write `frame-01.jpg`, `frame-02.jpg` ... and return them; those of an earlier run go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(_PATTERN):
        old.unlink()
    paths = [folder / f"frame-{number:02d}.jpg" for number in range(1, len(shots) + 1)]
    for shot, path in zip(shots, paths, strict=True):
        annotated(shot).save(path, quality=_JPEG_QUALITY)
    return paths


def annotated(shot: Shot) -> Image.Image:
    """Return the frame, enlarged if it is small, with its detections and a caption."""
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(shot.frame.image)) as opened:
        image = opened.convert("RGB")
    factor = max(1.0, _MIN_WIDTH / image.width)
    image = image.resize((round(image.width * factor), round(image.height * factor)))
    pen = ImageDraw.Draw(image)
    for detection in reversed(shot.found.detections):  # the best on top
        _draw_box(pen, detection, factor)
    _draw_caption(pen, shot, image.size)
    return image


def _draw_box(pen: ImageDraw.ImageDraw, found: Detection, factor: float) -> None:
    color = _COLORS[found.class_id % len(_COLORS)]
    box = [side * factor for side in found.box]
    pen.rectangle(box, outline=color, width=_LINE_PIXELS)
    text, font = f"{found.label} {found.score:.2f}", _font()
    width = pen.textlength(text, font=font)
    top = max(box[1] - _FONT_PIXELS - 5, 0)
    left = min(box[0], pen.im.size[0] - width - 6)
    pen.rectangle([left, top, left + width + 6, top + _FONT_PIXELS + 5], fill=color)
    pen.text((left + 3, top + 1), text, fill="black", font=font)


def _draw_caption(pen: ImageDraw.ImageDraw, shot: Shot, size: tuple[int, int]) -> None:
    frame, found = shot.frame, shot.found
    text = f"{frame.source_id}  frame {frame.frame_index}  {found.model} {found.model_version}"
    font, top = _font(), size[1] - _FONT_PIXELS - 9
    pen.rectangle([0, top, pen.textlength(text, font=font) + 12, size[1]], fill="black")
    pen.text((6, top + 3), text, fill="white", font=font)


def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(_FONT_PIXELS)
