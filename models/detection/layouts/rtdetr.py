"""RT-DETR, RT-DETRv2 and D-FINE of transformers and optimum: `logits` and `pred_boxes`.

Like DETR's outputs, but each class has a separate score: the sigmoid of its logit, (B, Q, C)
without a class for "no object". A query may be over the threshold in several classes, and each is
a detection. Stretched RGB pictures, 0 to 1.
Source: `RTDetrImageProcessor.post_process_object_detection` of transformers; Zhao et al., 2023,
"DETRs Beat YOLOs on Real-time Object Detection", arXiv:2304.08069; Peng et al., 2024, "D-FINE",
arXiv:2410.13842.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import Fitting
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.detr import (
    are_sigmoid_logits,
    arrange_queries,
    share_without_object,
)
from models.detection.layouts.facts import Facts
from models.detection.layouts.geometry import corners, sigmoid, to_pixels

_TYPES = frozenset({"rt_detr", "rt_detr_v2", "d_fine", "deim"})
#: Deformable and Conditional DETR have sigmoid scores too, but COCO's 91 numbers and another input.
_COCO_NUMBERS = 91


def _recognize(facts: Facts, order: Order) -> bool:
    if facts.model_type:
        return facts.model_type in _TYPES
    classes = facts.shapes[order[0]][2]
    if classes == _COCO_NUMBERS and not facts.num_labels:
        return False
    is_alone = "pixel_mask" not in facts.extra_inputs
    return (
        is_alone
        and facts.has_labels(classes)
        and are_sigmoid_logits(facts, order)
        and share_without_object(facts, order) < 0.5
    )


def _read(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    logits, boxes = outputs
    return Candidates(to_pixels(corners(boxes), size), sigmoid(logits))


LAYOUT = Layout(
    name="rtdetr",
    title="RT-DETR and D-FINE exported from transformers",
    style=InputStyle(fitting=Fitting.STRETCH),
    score_threshold=0.5,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=arrange_queries,
    recognize=_recognize,
    read=_read,
    num_classes=lambda facts, order: facts.shapes[order[0]][2],
    is_multi_label=True,
)
