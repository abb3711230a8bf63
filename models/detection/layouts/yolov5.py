"""YOLOv5 (and YOLOv3, YOLOv6, YOLOv7 exported like it): (B, N, 5 + C), a row for each box.

A row is center x, center y, width and height in pixels of the input, objectness, and class
probabilities; a score is the product of both. YOLOv5 and YOLOv7 have three boxes for each cell,
YOLOv6 one, with an objectness of 1. Letterboxed RGB pictures, 0 to 1, padded with gray 114.
Source: `Detect.forward` and `export.py` of github.com/ultralytics/yolov5; `Detect` of YOLOv6.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import Facts, are_pixels, are_probabilities
from models.detection.layouts.geometry import corners


def arrange_rows(facts: Facts) -> Order | None:
    """Return the one output (1, N, 5 + C)."""
    return (0,) if facts.ranks == (3,) and facts.shapes[0][2] >= 6 else None


def have_objectness(facts: Facts) -> bool:
    """Return whether the rows can be a box, an objectness and class probabilities."""
    _, count, depth = facts.shapes[0]
    is_tall = depth < count or (depth == count and facts.num_labels == depth - 5)
    return is_tall and facts.has_labels(depth - 5) and are_probabilities(facts.rows(0)[:, 4:])


def _recognize(facts: Facts, order: Order) -> bool:
    _, count, depth = facts.shapes[0]
    if not have_objectness(facts):
        return False
    rows = facts.rows(0)
    per_cell = facts.boxes_per_cell(count)
    if not are_pixels(rows[:, :4]):
        return False
    if per_cell == 1:
        return bool((rows[:, 4] == 1).all())
    # Other grids than those known; six columns could be corners, a score and a class as well.
    return per_cell == 3 or depth > 6


def read_rows(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    """Read boxes in pixels, objectness and class probabilities."""
    rows = outputs[0]
    return Candidates(corners(rows[..., :4]), rows[..., 5:] * rows[..., 4:5])


LAYOUT = Layout(
    name="yolov5",
    title="YOLOv5, YOLOv6, YOLOv7",
    style=InputStyle(),
    score_threshold=0.25,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=arrange_rows,
    recognize=_recognize,
    read=read_rows,
    num_classes=lambda facts, order: facts.shapes[0][2] - 5,
)
