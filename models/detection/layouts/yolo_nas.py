"""YOLO-NAS of super-gradients: as boxes and scores, as a padded batch, or as a flat list.

Without suppression (`postprocessing=False`): boxes (B, N, 4) xyxy in pixels and scores (B, N, C).
With it, in the batch format: number (B, 1), boxes (B, n, 4), scores (B, n), classes (B, n), where
rows past the number mean nothing; in the flat format: (n, 7), picture, x1, y1, x2, y2, score and
class. Pictures are RGB; their longest side becomes 636 of 640 pixels, centered on gray 114; 0 to 1,
or bytes where the graph holds the preprocessing.
Source: `default_yolo_nas_coco_processing_params` and the export documentation of
github.com/Deci-AI/super-gradients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.detection.boxes import Candidates, Floats
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.end_to_end import are_decoded, arrange_pair, is_of_cells, read_pair
from models.detection.layouts.facts import (
    Facts,
    are_integers,
    are_ordered,
    are_probabilities,
    find_names,
)
from models.detection.layouts.geometry import class_ids

_STYLE = InputStyle(margins={640: 4})
_MAX_ROWS = 10_000


def _arrange_batch(facts: Facts) -> Order | None:
    if len(facts.names) != 4:
        return None
    order = find_names(facts.names, "num", "box", "score", "class")
    if order is None or any("detection_" in name.lower() for name in facts.names):
        return None
    count, boxes, scores, classes = (facts.shapes[i] for i in order)
    rows = boxes[1] if len(boxes) == 3 and boxes[2] == 4 else None
    fits = count in ((1, 1), (1,)) and scores == (1, rows) and classes == (1, rows)
    return order if fits else None


def _recognize_batch(facts: Facts, order: Order) -> bool:
    return are_integers(facts.numbers(order[0])) and are_integers(facts.numbers(order[3]))


def _read_batch(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    counts, boxes, scores, classes = outputs
    is_filled = np.arange(scores.shape[1]) < counts.reshape(-1, 1)
    return Candidates(
        np.where(is_filled[..., None], boxes, 0).astype(np.float32),
        np.where(is_filled, scores, 0).astype(np.float32),
        class_ids(np.where(is_filled, classes, 0)),
    )


def _arrange_flat(facts: Facts) -> Order | None:
    is_flat = facts.ranks == (2,) and facts.shapes[0][1] == 7 and facts.shapes[0][0] <= _MAX_ROWS
    return (0,) if is_flat else None


def _recognize_flat(facts: Facts, order: Order) -> bool:
    rows = facts.rows(0)
    if not len(rows):  # nothing found: YOLOv7 has seven columns too, in another order
        return "flat_predictions" in facts.names[0]
    return (
        not rows[:, 0].any()  # each sample was a batch of one
        and are_ordered(rows[:, 1:5])
        and are_probabilities(rows[:, 5])
        and are_integers(rows[:, 6])
    )


def _read_flat(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    """Read the rows of one picture: a network with this layout is run one by one."""
    rows = outputs[0][None]
    return Candidates(rows[..., 1:5], rows[..., 5], class_ids(rows[..., 6]))


LAYOUT = Layout(
    name="yolo_nas",
    title="YOLO-NAS exported with postprocessing=False",
    style=_STYLE,
    score_threshold=0.25,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=arrange_pair,
    recognize=lambda facts, order: are_decoded(facts, order) and is_of_cells(facts, order),
    read=read_pair,
    num_classes=lambda facts, order: facts.shapes[order[1]][2],
)

BATCH = Layout(
    name="yolo_nas_batch",
    title="YOLO-NAS with suppression inside, batch format",
    style=_STYLE,
    score_threshold=0.25,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=_arrange_batch,
    recognize=_recognize_batch,
    read=_read_batch,
    num_classes=lambda facts, order: None,
)

FLAT = Layout(
    name="yolo_nas_flat",
    title="YOLO-NAS with suppression inside, flat format",
    style=_STYLE,
    score_threshold=0.25,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=_arrange_flat,
    recognize=_recognize_flat,
    read=_read_flat,
    num_classes=lambda facts, order: None,
)
