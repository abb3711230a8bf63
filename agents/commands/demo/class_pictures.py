"""Keep classified pictures, and draw them as one sheet with their labels."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from agents.commands.demo.drawing import color_of, draw_label, save_small
from schemas import Classification, VideoFrame

if TYPE_CHECKING:
    from PIL import Image

_COLUMNS, _ROWS = 10, 2
_CELL_WIDTH, _CELL_HEIGHT = 120, 140


class ClassGallery:
    """Keeps the first pictures of each class."""

    def __init__(self) -> None:
        self._by_class: dict[int, list[tuple[VideoFrame, Classification]]] = defaultdict(list)

    def add(self, frame: VideoFrame, result: Classification) -> None:
        """Keep a picture while its class has few."""
        kept = self._by_class[result.class_id]
        if len(kept) < _COLUMNS * _ROWS:
            kept.append((frame, result))

    def chosen(self) -> list[tuple[VideoFrame, Classification]]:
        """Return as many pictures as the sheet has cells: a row of each class's, by turns."""
        kept = [self._by_class[class_id] for class_id in sorted(self._by_class)]
        turns = [group[i] for i in range(_COLUMNS * _ROWS) for group in kept if i < len(group)]
        return turns[: _COLUMNS * _ROWS]


def draw_classes(chosen: list[tuple[VideoFrame, Classification]], path: Path) -> None:
    """Write one small PNG: each picture with the class and the score that it was given."""
    from PIL import Image

    rows = -(-len(chosen) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _CELL_WIDTH, rows * _CELL_HEIGHT), "white")
    for number, (frame, result) in enumerate(chosen):
        row, column = divmod(number, _COLUMNS)
        sheet.paste(_cell(frame, result), (column * _CELL_WIDTH, row * _CELL_HEIGHT))
    save_small(sheet, path)


def _cell(frame: VideoFrame, result: Classification) -> Image.Image:
    from PIL import Image, ImageDraw, ImageOps

    cell = Image.new("RGB", (_CELL_WIDTH, _CELL_HEIGHT), "white")
    with Image.open(io.BytesIO(frame.image)) as file:
        picture = ImageOps.contain(file.convert("RGB"), (_CELL_WIDTH - 8, _CELL_HEIGHT - 34))
    cell.paste(picture, ((_CELL_WIDTH - picture.width) // 2, 26))
    text = f"{result.label} {result.score:.2f}"
    draw_label(ImageDraw.Draw(cell), (4, 2), text, color_of(result.class_id))
    return cell
