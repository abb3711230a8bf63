"""DETR, YOLOS, Table Transformer of transformers: `logits` (B, Q, C + 1) and `pred_boxes`.

A softmax over the logits gives class probabilities; the last class is "no object". Boxes (B, Q, 4)
are center x, center y, width and height as shares of the input's sides. Each query is one object
at most, so nothing is suppressed. RGB pictures, 0 to 1, normalized by ImageNet's mean and standard
deviation; here they are stretched to the input, and a `pixel_mask` says that all of it is picture.
Source: `DetrImageProcessor.post_process_object_detection` of transformers; Carion et al., 2020,
"End-to-End Object Detection with Transformers", arXiv:2005.12872.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import Fitting
from models.detection.layouts.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputSize,
    InputStyle,
    Layout,
    Order,
    Overlap,
)
from models.detection.layouts.facts import Facts, are_pixels, find_names
from models.detection.layouts.geometry import corners, softmax, to_pixels

_TYPES = frozenset({"detr", "yolos", "table-transformer"})
#: By so much the logit of "no object" is over all others in most queries, which find nothing.
_CLEAR_LOGIT = 0.5


def arrange_queries(facts: Facts) -> Order | None:
    """Return the positions of `logits` (1, Q, ...) and `pred_boxes` (1, Q, 4)."""
    order = find_names(facts.names, "logits", "boxes")
    if order is None:
        return None
    logits, boxes = (facts.shapes[i] for i in order)
    is_pair = len(logits) == len(boxes) == 3 and logits[1] == boxes[1] and boxes[2] == 4
    return order if is_pair and not are_pixels(facts.rows(order[1])) else None


def share_without_object(facts: Facts, order: Order) -> float:
    """Return in which share of the sample queries the last logit is clearly the highest."""
    logits = facts.rows(order[0])
    if logits.shape[1] < 2:
        return 0.0
    return float((logits[:, -1] > logits[:, :-1].max(axis=1) + _CLEAR_LOGIT).mean())


def are_sigmoid_logits(facts: Facts, order: Order) -> bool:
    """Return whether most queries have no logit over 0: with a softmax, "no object" would be."""
    return float(np.median(facts.rows(order[0]).max(axis=1))) < 0


def _recognize(facts: Facts, order: Order) -> bool:
    if facts.model_type:
        return facts.model_type in _TYPES
    classes = facts.shapes[order[0]][2]
    has_labels = facts.num_labels in (0, classes - 1)
    is_softmax = share_without_object(facts, order) > 0.5 and not are_sigmoid_logits(facts, order)
    return has_labels and is_softmax


def _read(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    logits, boxes = outputs
    return Candidates(to_pixels(corners(boxes), size), softmax(logits)[..., :-1])


LAYOUT = Layout(
    name="detr",
    title="DETR, YOLOS, Table Transformer",
    style=InputStyle(fitting=Fitting.STRETCH, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    score_threshold=0.5,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=arrange_queries,
    recognize=_recognize,
    read=_read,
    num_classes=lambda facts, order: facts.shapes[order[0]][2] - 1,
)
