"""SSD whose graph chooses the boxes, as three exporters write it.

- `ssd_tensorflow`: TensorFlow's Object Detection API through tf2onnx: `detection_boxes` (B, n, 4)
  y1, x1, y2, x2 as shares, `detection_scores` and `detection_classes` (B, n) with classes from 1,
  and `num_detections` (B,). Bytes, RGB, (B, H, W, 3). Class 1 of the file is class 0 here.
- `ssd_torchvision`: `boxes` (n, 4) xyxy in pixels, `scores` (n,), `labels` (n,), of one picture;
  class 0 is the background, as in torchvision's list of categories. RGB, 0 to 1; the graph
  normalizes and resizes. Its Faster R-CNN and RetinaNet are the same.
- `ssd_onnx_zoo`: MLPerf's SSD-ResNet34: `bboxes` (1, n, 4) x1, y1, x2, y2 as shares, `labels` and
  `scores` (1, n); RGB, 0 to 1, normalized as for ImageNet.
All stretch the picture. Source: the exported signatures in the TensorFlow, torchvision and ONNX
model zoo documentation; Liu et al., 2015, "SSD: Single Shot MultiBox Detector", arXiv:1512.02325.
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
from models.detection.layouts.d_fine import SIZE_INPUT, are_chosen, arrange_chosen
from models.detection.layouts.facts import (
    Facts,
    are_integers,
    are_ordered,
    are_pixels,
    are_probabilities,
    find_names,
)
from models.detection.layouts.geometry import class_ids, to_pixels

_STRETCH = InputStyle(fitting=Fitting.STRETCH)


def _arrange_tensorflow(facts: Facts) -> Order | None:
    order = find_names(
        facts.names, "detection_boxes", "detection_scores", "detection_classes", "num_detections"
    )
    if order is None:
        return None
    boxes, scores, classes, _ = (facts.shapes[i] for i in order)
    fits = len(boxes) == 3 and boxes[2] == 4 and scores == classes == boxes[:2]
    return order if fits else None


def _recognize_tensorflow(facts: Facts, order: Order) -> bool:
    return (
        not are_pixels(facts.rows(order[0]))
        and are_probabilities(facts.numbers(order[1]))
        and are_integers(facts.numbers(order[2]))
    )


def _read_tensorflow(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    boxes, scores, classes, counts = outputs
    is_filled = np.arange(scores.shape[1]) < counts.reshape(-1, 1)
    corners = to_pixels(boxes[..., [1, 0, 3, 2]], size)
    return Candidates(
        np.where(is_filled[..., None], corners, 0).astype(np.float32),
        np.where(is_filled & (classes >= 1), scores, 0).astype(np.float32),
        class_ids(np.where(is_filled, np.maximum(classes - 1, 0), 0)),
    )


def _arrange_torchvision(facts: Facts) -> Order | None:
    if len(facts.names) != 3:
        return None
    if sorted(facts.ranks) != [1, 1, 2]:
        return None
    named = find_names(facts.names, "box", "score", "label")
    if named is not None:
        return named if facts.ranks[named[0]] == 2 and facts.shapes[named[0]][1] == 4 else None
    # Its exporter numbers the outputs; the order is that of the dict: boxes, scores, labels for
    # SSD and RetinaNet, boxes, labels, scores for Faster R-CNN.
    boxes = facts.ranks.index(2)
    others = [i for i in range(3) if i != boxes]
    whole = [i for i in others if are_integers(facts.numbers(i))]
    if facts.shapes[boxes][1] != 4 or len(whole) != 1:
        return None
    return boxes, next(i for i in others if i != whole[0]), whole[0]


def _recognize_torchvision(facts: Facts, order: Order) -> bool:
    boxes = facts.rows(order[0])
    return (
        are_ordered(boxes)
        and (are_pixels(boxes) or not boxes.any())
        and are_probabilities(facts.numbers(order[1]))
        and are_integers(facts.numbers(order[2]))
    )


def _read_torchvision(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    """Read the rows of one picture: a network with this layout is run one by one."""
    boxes, scores, labels = outputs
    return Candidates(boxes[None], scores[None], class_ids(labels)[None])


def _recognize_zoo(facts: Facts, order: Order) -> bool:
    return not are_pixels(facts.rows(order[0])) and are_chosen(facts, order)


def _read_zoo(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    boxes, scores, labels = outputs
    return Candidates(to_pixels(boxes, size), scores, class_ids(labels))


TENSORFLOW = Layout(
    name="ssd_tensorflow",
    title="SSD of TensorFlow's Object Detection API",
    style=InputStyle(fitting=Fitting.STRETCH, scale=1.0),
    score_threshold=0.5,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=_arrange_tensorflow,
    recognize=_recognize_tensorflow,
    read=_read_tensorflow,
    num_classes=lambda facts, order: None,
)

TORCHVISION = Layout(
    name="ssd_torchvision",
    title="SSD, RetinaNet, Faster R-CNN of torchvision",
    style=_STRETCH,
    score_threshold=0.5,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=_arrange_torchvision,
    recognize=_recognize_torchvision,
    read=_read_torchvision,
    num_classes=lambda facts, order: None,
)

ZOO = Layout(
    name="ssd_onnx_zoo",
    title="SSD of the ONNX model zoo and MLPerf",
    style=InputStyle(fitting=Fitting.STRETCH, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    score_threshold=0.5,
    overlap=Overlap.DONE_IN_GRAPH,
    arrange=lambda facts: None if SIZE_INPUT in facts.extra_inputs else arrange_chosen(facts),
    recognize=_recognize_zoo,
    read=_read_zoo,
    num_classes=lambda facts, order: None,
)
