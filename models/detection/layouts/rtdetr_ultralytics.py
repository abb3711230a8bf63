"""RT-DETR as Ultralytics exports it: (B, 300, 4 + C), a row for each query.

A row is center x, center y, width and height as shares of the input's sides, then class scores in
[0, 1]. Queries do not overlap, so nothing is suppressed. Stretched RGB pictures, 0 to 1.
Source: `RTDETRPredictor` of docs.ultralytics.com (`LetterBox` with `scale_fill`).
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import Fitting
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import Facts, are_probabilities, are_shares
from models.detection.layouts.geometry import corners, to_pixels


def _arrange(facts: Facts) -> Order | None:
    return (0,) if facts.ranks == (3,) and facts.shapes[0][2] >= 5 else None


def _recognize(facts: Facts, order: Order) -> bool:
    _, count, depth = facts.shapes[0]
    rows = facts.rows(0)
    return (
        facts.boxes_per_cell(count) is None
        and facts.has_labels(depth - 4)
        and are_shares(rows[:, :4])
        and are_probabilities(rows[:, 4:])
    )


def _read(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    rows = outputs[0]
    return Candidates(to_pixels(corners(rows[..., :4]), size), rows[..., 4:])


LAYOUT = Layout(
    name="rtdetr_ultralytics",
    title="RT-DETR exported by Ultralytics",
    style=InputStyle(fitting=Fitting.STRETCH),
    score_threshold=0.25,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=_arrange,
    recognize=_recognize,
    read=_read,
    num_classes=lambda facts, order: facts.shapes[0][2] - 4,
)
