"""Every family of detectors: its outputs in ONNX, and how one picture's outputs are read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from onnx import TensorProto, helper

from tests.models.detection.layouts.onnx_graph import (
    HEIGHT,
    NUM_CELLS,
    NUM_CLASSES,
    WIDTH,
    Graph,
)
from tests.models.detection.layouts.plain import Array, Box, Family

C = NUM_CLASSES
_QUERIES = 40
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _centered(box: Iterable[float], score: float, class_id: float) -> Box:
    x, y, w, h = box
    return Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, int(class_id))


def _corners(box: Iterable[float], score: float, class_id: float) -> Box:
    x1, y1, x2, y2 = box
    return Box(x1, y1, x2, y2, score, int(class_id))


def _best(scores: Array) -> tuple[float, int]:
    class_id = max(range(len(scores)), key=lambda i: scores[i])
    return float(scores[class_id]), class_id


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# YOLOv5: three boxes for each cell, a row is a box, objectness, classes.
def _build_yolov5(g: Graph) -> None:
    n = 3 * NUM_CELLS
    parts = [g.centered_pixels(n, 1), g.logistic(g.raw(n, 1, 3)), g.logistic(g.raw(n, C, 4))]
    g.output(g.op("Concat", *parts, axis=2), "output0", [g.batch, n, 5 + C])


def _read_yolov5(outputs: Sequence[Array]) -> list[Box]:
    boxes = []
    for row in outputs[0][0]:
        score, class_id = _best(row[5:])
        boxes.append(_centered(row[:4], score * row[4], class_id))
    return boxes


# YOLOv8: a column is a box and classes.
def _build_yolov8(g: Graph) -> None:
    rows = g.op("Concat", g.centered_pixels(NUM_CELLS, 1), g.scores(NUM_CELLS, C, 4), axis=2)
    g.output(g.op("Transpose", rows, perm=[0, 2, 1]), "output0", [g.batch, 4 + C, NUM_CELLS])


def _read_yolov8(outputs: Sequence[Array]) -> list[Box]:
    return [_centered(column[:4], *_best(column[4:])) for column in outputs[0][0].T]


# YOLOv10 and YOLO26: corners, score, class; chosen by the network.
def _build_yolo26(g: Graph) -> None:
    parts = [g.corner_pixels(300, 1), g.scores(300, 1, 3), g.classes(300, 1, 4)]
    g.output(g.op("Concat", *parts, axis=2), "output0", [g.batch, 300, 6])


def _read_yolo26(outputs: Sequence[Array]) -> list[Box]:
    return [_corners(row[:4], row[4], row[5]) for row in outputs[0][0]]


# YOLOX: a row for each cell, coded by its place.
def _build_yolox(g: Graph) -> None:
    n = NUM_CELLS
    parts = [g.linear(g.raw(n, 2, 1), 0.5, 0.5), g.linear(g.raw(n, 2, 2), 0.4)]
    parts += [g.logistic(g.raw(n, 1, 3)), g.logistic(g.raw(n, C, 4))]
    g.output(g.op("Concat", *parts, axis=2), "output", [g.batch, n, 5 + C])


def _cells() -> Iterator[tuple[int, int, int]]:
    for stride in (8, 16, 32):
        for y in range(HEIGHT // stride):
            for x in range(WIDTH // stride):
                yield x, y, stride


def _read_yolox(outputs: Sequence[Array]) -> list[Box]:
    boxes = []
    for (x, y, stride), row in zip(_cells(), outputs[0][0], strict=True):
        score, class_id = _best(row[5:])
        center = (row[0] + x) * stride, (row[1] + y) * stride
        sides = math.exp(row[2]) * stride, math.exp(row[3]) * stride
        boxes.append(_centered((*center, *sides), score * row[4], class_id))
    return boxes


def _build_yolox_decoded(g: Graph) -> None:
    n = NUM_CELLS
    parts = [g.centered_pixels(n, 1), g.logistic(g.raw(n, 1, 3)), g.logistic(g.raw(n, C, 4))]
    g.output(g.op("Concat", *parts, axis=2), "output", [g.batch, n, 5 + C])


# YOLO-NAS: corners and classes as two outputs; or chosen in the graph.
def _build_yolo_nas(g: Graph) -> None:
    g.output(g.corner_pixels(NUM_CELLS, 1), "graph2_pred_bboxes", [g.batch, NUM_CELLS, 4])
    g.output(g.scores(NUM_CELLS, C, 4), "graph2_pred_scores", [g.batch, NUM_CELLS, C])


def _read_pair(outputs: Sequence[Array]) -> list[Box]:
    rows = zip(outputs[0][0], outputs[1][0], strict=True)
    return [_corners(box, *_best(scores)) for box, scores in rows]


def _build_end_to_end(g: Graph) -> None:
    g.output(g.corner_pixels(50, 1), "boxes", [g.batch, 50, 4])
    g.output(g.scores(50, C, 4), "scores", [g.batch, 50, C])


def _count(g: Graph, most: int) -> str:
    """Return (B, 1): how many boxes a picture has, half of the most or more."""
    first = g.op("Reshape", g.raw(1, 1, 9), g.constant(np.array([g.inner_batch, 1])))
    return g.op("Floor", g.linear(g.logistic(first), most / 2, most / 2))


def _flat(g: Graph, x: str, n: int) -> str:
    return g.op("Reshape", x, g.constant(np.array([g.inner_batch, n])))


def _build_yolo_nas_batch(g: Graph) -> None:
    n = 30
    g.output(_count(g, n), "num_predictions", [g.batch, 1], TensorProto.INT64)
    g.output(g.corner_pixels(n, 1), "pred_boxes", [g.batch, n, 4])
    g.output(_flat(g, g.scores(n, 1, 3), n), "pred_scores", [g.batch, n])
    g.output(_flat(g, g.classes(n, 1, 4), n), "pred_classes", [g.batch, n], TensorProto.INT64)


def _read_yolo_nas_batch(outputs: Sequence[Array]) -> list[Box]:
    count, boxes, scores, classes = (output[0] for output in outputs)
    rows = range(int(count[0]))
    return [_corners(boxes[i], float(scores[i]), classes[i]) for i in rows]


def _build_yolo_nas_flat(g: Graph) -> None:
    n = 30
    picture = g.linear(g.scores(n, 1, 8), 0.0)
    parts = [picture, g.corner_pixels(n, 1), g.scores(n, 1, 3), g.classes(n, 1, 4)]
    rows = g.op("Concat", *parts, axis=2)
    g.output(
        g.op("Reshape", rows, g.constant(np.array([n, 7]))), "graph2_flat_predictions", ["n", 7]
    )


def _read_yolo_nas_flat(outputs: Sequence[Array]) -> list[Box]:
    return [_corners(row[1:5], row[5], row[6]) for row in outputs[0]]


# DETR and its successors: logits and boxes of queries.
def _build_rtdetr(g: Graph) -> None:
    logits = g.linear(g.raw(_QUERIES, C, 4), 2.0, -2.5)
    g.output(logits, "logits", [g.batch, _QUERIES, C])
    g.output(g.centered_shares(_QUERIES, 1), "pred_boxes", [g.batch, _QUERIES, 4])


def _scaled(box: Array) -> list[float]:
    return [box[0] * WIDTH, box[1] * HEIGHT, box[2] * WIDTH, box[3] * HEIGHT]


def _read_rtdetr(outputs: Sequence[Array]) -> list[Box]:
    return [
        _centered(_scaled(box), _sigmoid(logits[class_id]), class_id)
        for logits, box in zip(outputs[0][0], outputs[1][0], strict=True)
        for class_id in range(C)
    ]


def _build_rtdetr_ultralytics(g: Graph) -> None:
    rows = g.op("Concat", g.centered_shares(300, 1), g.scores(300, C, 4), axis=2)
    g.output(rows, "output0", [g.batch, 300, 4 + C])


def _read_rtdetr_ultralytics(outputs: Sequence[Array]) -> list[Box]:
    return [_centered(_scaled(row[:4]), *_best(row[4:])) for row in outputs[0][0]]


def _build_d_fine(g: Graph) -> None:
    n = _QUERIES
    sizes = helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [g.batch, 2])
    g.inputs.append(sizes)
    factors = g.op("Cast", "orig_target_sizes", to=TensorProto.FLOAT)
    factors = g.op("Unsqueeze", g.op("Concat", factors, factors, axis=1), g.constant(np.array([1])))
    labels = _flat(g, g.classes(n, 1, 4), n)
    g.output(labels, "labels", [g.batch, n], TensorProto.INT64)
    g.output(g.op("Mul", g.corner_shares(n, 1), factors), "boxes", [g.batch, n, 4])
    g.output(_flat(g, g.scores(n, 1, 3), n), "scores", [g.batch, n])


def _read_d_fine(outputs: Sequence[Array]) -> list[Box]:
    rows = zip(*(output[0] for output in outputs), strict=True)
    return [_corners(box, float(score), label) for label, box, score in rows]


def _build_detr(g: Graph) -> None:
    mask = helper.make_tensor_value_info("pixel_mask", TensorProto.INT64, [g.batch, HEIGHT, WIDTH])
    g.inputs.append(mask)
    share = g.op("Cast", "pixel_mask", to=TensorProto.FLOAT)
    share = g.op("ReduceMean", share, g.constant(np.array([1, 2])), keepdims=1)
    logits = g.linear(g.raw(_QUERIES, C + 1, 4), 1.5, [0.0] * C + [3.0])
    g.output(g.op("Mul", logits, share), "logits", [g.batch, _QUERIES, C + 1])
    g.output(g.centered_shares(_QUERIES, 1), "pred_boxes", [g.batch, _QUERIES, 4])


def _read_detr(outputs: Sequence[Array]) -> list[Box]:
    boxes = []
    for logits, box in zip(outputs[0][0], outputs[1][0], strict=True):
        powers = [math.exp(logit) for logit in logits]
        score, class_id = _best(np.array(powers[:-1]) / sum(powers))
        boxes.append(_centered(_scaled(box), score, class_id))
    return boxes


# SSD with suppression inside.
def _build_ssd_tensorflow(g: Graph) -> None:
    n = 30
    y_first = g.op("Gather", g.corner_shares(n, 1), g.constant(np.array([1, 0, 3, 2])), axis=2)
    g.output(y_first, "detection_boxes:0", [g.batch, n, 4])
    numbers = g.linear(g.classes(n, 1, 4), 1.0, 1.0)
    g.output(_flat(g, numbers, n), "detection_classes:0", [g.batch, n])
    g.output(_flat(g, g.scores(n, 1, 3), n), "detection_scores:0", [g.batch, n])
    count = g.op("Reshape", _count(g, n), g.constant(np.array([g.inner_batch])))
    g.output(count, "num_detections:0", [g.batch])


def _read_ssd_tensorflow(outputs: Sequence[Array]) -> list[Box]:
    boxes, classes, scores, count = (output[0] for output in outputs)
    found = []
    for i in range(int(count)):
        y1, x1, y2, x2 = boxes[i]
        corners = (x1 * WIDTH, y1 * HEIGHT, x2 * WIDTH, y2 * HEIGHT)
        found.append(_corners(corners, float(scores[i]), classes[i] - 1))
    return found


def _build_ssd_torchvision(g: Graph) -> None:
    n = 30
    boxes = g.op("Reshape", g.corner_pixels(n, 1), g.constant(np.array([n, 4])))
    flat = g.constant(np.array([n]))
    g.output(boxes, "boxes", ["n", 4])
    g.output(g.op("Reshape", g.scores(n, 1, 3), flat), "scores", ["n"])
    g.output(g.op("Reshape", g.classes(n, 1, 4), flat), "labels", ["n"], TensorProto.INT64)


def _read_ssd_torchvision(outputs: Sequence[Array]) -> list[Box]:
    rows = zip(*outputs, strict=True)
    return [_corners(box, float(score), label) for box, score, label in rows]


def _build_ssd_onnx_zoo(g: Graph) -> None:
    n = 30
    g.output(g.corner_shares(n, 1), "bboxes", [g.batch, n, 4])
    labels = _flat(g, g.classes(n, 1, 4), n)
    g.output(labels, "labels", [g.batch, n], TensorProto.INT64)
    g.output(_flat(g, g.scores(n, 1, 3), n), "scores", [g.batch, n])


def _read_ssd_onnx_zoo(outputs: Sequence[Array]) -> list[Box]:
    rows = zip(*(output[0] for output in outputs), strict=True)
    scale = np.array([WIDTH, HEIGHT] * 2)
    return [_corners(box * scale, float(score), label) for box, label, score in rows]


# FastestDet: one grid of stride 16.
def _build_fastestdet(g: Graph) -> None:
    rows, columns = HEIGHT // 16, WIDTH // 16
    n = rows * columns
    classes = g.op("Softmax", g.linear(g.raw(n, C, 4), 3.0), axis=2)
    cells = g.op("Concat", g.logistic(g.raw(n, 1, 3)), g.raw(n, 4, 1), classes, axis=2)
    shape = g.constant(np.array([g.inner_batch, 5 + C, rows, columns]))
    grid = g.op("Reshape", g.op("Transpose", cells, perm=[0, 2, 1]), shape)
    g.output(grid, "output", [g.batch, 5 + C, rows, columns])


def _read_fastestdet(outputs: Sequence[Array]) -> list[Box]:
    grid, boxes = outputs[0][0], []
    for y in range(grid.shape[1]):
        for x in range(grid.shape[2]):
            objectness, dx, dy, w, h, *classes = grid[:, y, x]
            score, class_id = _best(np.array(classes))
            center = (x + math.tanh(dx)) * 16, (y + math.tanh(dy)) * 16
            sides = _sigmoid(w) * WIDTH, _sigmoid(h) * HEIGHT
            boxes.append(_centered((*center, *sides), objectness**0.6 * score**0.4, class_id))
    return boxes


FAMILIES = [
    Family("yolov5", _build_yolov5, _read_yolov5, "center", is_suppressed_here=True),
    Family("yolov8", _build_yolov8, _read_yolov8, "center", is_suppressed_here=True),
    Family("yolo26", _build_yolo26, _read_yolo26, "center"),
    Family(
        "yolox",
        _build_yolox,
        _read_yolox,
        "corner",
        is_bgr=True,
        largest=255,
        is_suppressed_here=True,
    ),
    Family(
        "yolox_decoded",
        _build_yolox_decoded,
        _read_yolov5,
        "corner",
        is_bgr=True,
        largest=255,
        is_suppressed_here=True,
    ),
    Family("yolo_nas", _build_yolo_nas, _read_pair, "center", is_suppressed_here=True),
    Family("yolo_nas_batch", _build_yolo_nas_batch, _read_yolo_nas_batch, "center"),
    Family(
        "yolo_nas_flat", _build_yolo_nas_flat, _read_yolo_nas_flat, "center", options={"batch": 1}
    ),
    Family(
        "end_to_end",
        _build_end_to_end,
        _read_pair,
        "center",
        threshold=0.3,
        is_suppressed_here=True,
    ),
    Family("rtdetr", _build_rtdetr, _read_rtdetr, threshold=0.5),
    Family("rtdetr_ultralytics", _build_rtdetr_ultralytics, _read_rtdetr_ultralytics),
    Family("d_fine", _build_d_fine, _read_d_fine, threshold=0.4),
    Family("detr", _build_detr, _read_detr, mean=_MEAN, std=_STD, threshold=0.5),
    Family(
        "ssd_tensorflow",
        _build_ssd_tensorflow,
        _read_ssd_tensorflow,
        largest=255,
        threshold=0.5,
        options={"kind": "byte", "channels_last": True},
    ),
    Family(
        "ssd_torchvision",
        _build_ssd_torchvision,
        _read_ssd_torchvision,
        threshold=0.5,
        options={"batch": None},
    ),
    Family(
        "ssd_onnx_zoo", _build_ssd_onnx_zoo, _read_ssd_onnx_zoo, mean=_MEAN, std=_STD, threshold=0.5
    ),
    Family(
        "fastestdet",
        _build_fastestdet,
        _read_fastestdet,
        is_bgr=True,
        threshold=0.4,
        is_suppressed_here=True,
    ),
]
