"""Boxes and scores as two outputs, decoded in the graph but not yet suppressed.

Boxes (B, N, 4) xyxy in pixels of the input, scores (B, N, C) in [0, 1]. Penstock's own detectors
are exported so, with the names `boxes` and `scores`.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import (
    Facts,
    are_ordered,
    are_pixels,
    are_probabilities,
    find_names,
)

_CELL_NAMES = ("pred_bboxes", "pred_scores")


def arrange_pair(facts: Facts) -> Order | None:
    """Return the positions of boxes (1, N, 4) and scores (1, N, C), in this order."""
    if facts.ranks != (3, 3) or facts.shapes[0][1] != facts.shapes[1][1]:
        return None
    if any("logit" in name.lower() for name in facts.names):
        return None
    with_boxes = [i for i, shape in enumerate(facts.shapes) if shape[2] == 4]
    if len(with_boxes) == 2:  # four classes: the names decide, else the order
        with_boxes = list(find_names(facts.names, "box") or with_boxes)
    return (with_boxes[0], 1 - with_boxes[0]) if with_boxes else None


def are_decoded(facts: Facts, order: Order) -> bool:
    """Return whether a pair holds corners in pixels and probabilities, or names and zeros."""
    boxes = facts.rows(order[0])
    is_pair = are_probabilities(facts.rows(order[1])) and are_ordered(boxes)
    is_named = find_names(facts.names, "box", "score") == order
    return is_pair and (are_pixels(boxes) or (is_named and not boxes.any()))


def is_of_cells(facts: Facts, order: Order) -> bool:
    """Return whether a pair is named as YOLO-NAS names it, or has one box for each cell."""
    names = [facts.names[i].lower() for i in order]
    if all(part in name for part, name in zip(_CELL_NAMES, names, strict=True)):
        return True
    return names != ["boxes", "scores"] and facts.boxes_per_cell(facts.shapes[order[0]][1]) == 1


def read_pair(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    """Read boxes and scores as they are."""
    return Candidates(outputs[0], outputs[1])


LAYOUT = Layout(
    name="end_to_end",
    title="boxes and scores as two outputs",
    style=InputStyle(),
    score_threshold=0.3,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=arrange_pair,
    recognize=lambda facts, order: are_decoded(facts, order) and not is_of_cells(facts, order),
    read=read_pair,
    num_classes=lambda facts, order: facts.shapes[order[1]][2],
)
