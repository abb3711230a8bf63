"""YOLOv10 and YOLO26, and exports of Ultralytics with suppression inside: (B, 300, 6).

A row is x1, y1, x2, y2 in pixels of the input, the score and the class. The network has chosen
the boxes. Letterboxed RGB pictures, 0 to 1, padded with gray 114.
Source: docs.ultralytics.com (export argument `nms`, `end2end` models); Wang et al., 2024,
"YOLOv10: Real-Time End-to-End Object Detection", arXiv:2405.14458.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import (
    Facts,
    are_integers,
    are_ordered,
    are_probabilities,
    are_shares,
)
from models.detection.layouts.geometry import class_ids


def _arrange(facts: Facts) -> Order | None:
    return (0,) if facts.ranks == (3,) and facts.shapes[0][2] == 6 else None


def _recognize(facts: Facts, order: Order) -> bool:
    rows = facts.rows(0)
    filled = rows[rows[:, 4] > 0]
    if not len(filled):  # nothing found, as after suppression: then the metadata has to say it
        is_of_grid = facts.boxes_per_cell(facts.shapes[0][1]) is not None
        return facts.metadata.get("task") == "detect" and not is_of_grid
    return (
        are_probabilities(rows[:, 4])
        and are_integers(filled[:, 5])
        and are_ordered(filled[:, :4])
        and not are_shares(filled[:, :4])
        and (not facts.num_labels or bool((rows[:, 5] < facts.num_labels).all()))
    )


def _read(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    rows = outputs[0]
    return Candidates(rows[..., :4], rows[..., 4], class_ids(rows[..., 5]))


LAYOUT = Layout(
    name="yolo26",
    title="YOLOv10, YOLO26, and Ultralytics exports with nms=True",
    style=InputStyle(),
    score_threshold=0.25,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=_arrange,
    recognize=_recognize,
    read=_read,
    num_classes=lambda facts, order: None,
)
