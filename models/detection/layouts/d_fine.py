"""D-FINE, RT-DETR and DEIM as their authors export them: `labels`, `boxes`, `scores`.

The graph has chosen the best queries: labels (B, Q), boxes (B, Q, 4) xyxy, scores (B, Q). A second
input, `orig_target_sizes` (B, 2), is the width and height that boxes are multiplied by; here it is
the size of the network's input. Stretched RGB pictures, 0 to 1.
Source: `tools/export_onnx.py` and the post-processors of github.com/lyuwenyu/RT-DETR and
github.com/Peterande/D-FINE.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import Fitting
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import (
    Facts,
    are_integers,
    are_ordered,
    are_probabilities,
    find_names,
)
from models.detection.layouts.geometry import class_ids

SIZE_INPUT = "orig_target_sizes"


def arrange_chosen(facts: Facts) -> Order | None:
    """Return the positions of boxes (1, n, 4), scores (1, n) and labels (1, n)."""
    if len(facts.names) != 3:
        return None
    order = find_names(facts.names, "box", "score", "label")
    if order is None:
        return None
    boxes, scores, labels = (facts.shapes[i] for i in order)
    fits = len(boxes) == 3 and boxes[2] == 4 and scores == labels == boxes[:2]
    return order if fits else None


def are_chosen(facts: Facts, order: Order) -> bool:
    """Return whether boxes are corners, scores probabilities and labels whole numbers."""
    return (
        are_ordered(facts.rows(order[0]))
        and are_probabilities(facts.numbers(order[1]))
        and are_integers(facts.numbers(order[2]))
    )


def read_chosen(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    """Read boxes in pixels of the input."""
    boxes, scores, labels = outputs
    return Candidates(boxes, scores, class_ids(labels))


LAYOUT = Layout(
    name="d_fine",
    title="D-FINE, RT-DETR, DEIM exported by their authors",
    style=InputStyle(fitting=Fitting.STRETCH),
    score_threshold=0.4,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=arrange_chosen,
    recognize=lambda facts, order: SIZE_INPUT in facts.extra_inputs and are_chosen(facts, order),
    read=read_chosen,
    num_classes=lambda facts, order: None,
)
