"""YOLOv8, YOLOv9, YOLO11 and YOLO12 of Ultralytics: (B, 4 + C, N), a column for each cell.

Rows 0 to 3 are center x, center y, width and height in pixels of the input, the others class
probabilities. The input is a letterboxed RGB picture, 0 to 1, padded with gray 114.
Source: docs.ultralytics.com, `Detect.forward` and `LetterBox`.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import Facts, are_pixels, are_probabilities
from models.detection.layouts.geometry import corners


def _arrange(facts: Facts) -> Order | None:
    return (0,) if facts.ranks == (3,) and facts.shapes[0][1] >= 5 else None


def _recognize(facts: Facts, order: Order) -> bool:
    _, depth, count = facts.shapes[0]
    cells = facts.columns(0)
    is_wide = depth < count or (depth == count and facts.num_labels == depth - 4)
    return (
        is_wide
        and facts.has_labels(depth - 4)
        and are_probabilities(cells[:, 4:])
        and are_pixels(cells[:, :4])
    )


def _read(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    cells = outputs[0].transpose(0, 2, 1)
    return Candidates(corners(cells[..., :4]), cells[..., 4:])


LAYOUT = Layout(
    name="yolov8",
    title="YOLOv8, YOLOv9, YOLO11, YOLO12",
    style=InputStyle(),
    score_threshold=0.25,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=_arrange,
    recognize=_recognize,
    read=_read,
    num_classes=lambda facts, order: facts.shapes[0][1] - 4,
)
