"""FastestDet: one grid (B, 5 + C, rows, columns), stride 16.

Channel 0 is the objectness, 1 to 4 the box, the rest class probabilities of a softmax.
Source: example/onnx-runtime of github.com/dog-qiuqiu/FastestDet; stretched BGR pictures, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import Fitting
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import Facts, are_probabilities
from models.detection.layouts.geometry import corners, sigmoid

_STRIDE = 16


def _arrange(facts: Facts) -> Order | None:
    if facts.ranks != (4,) or facts.shapes[0][1] <= 5:
        return None
    grid = -(-facts.height // _STRIDE), -(-facts.width // _STRIDE)
    return (0,) if facts.shapes[0][2:] == grid else None


def _recognize(facts: Facts, order: Order) -> bool:
    depth = facts.shapes[0][1]
    cells = facts.columns(0)
    classes = cells[:, 5:]
    # A net that gives each pixel a class has scores there too: its sums reach over all channels.
    is_classes_of_pixels = np.allclose(cells.sum(axis=1), 1, atol=1e-2)
    return bool(
        cells.any()
        and facts.has_labels(depth - 5)
        and are_probabilities(cells[:, 0])
        and are_probabilities(classes)
        and are_probabilities(classes.sum(axis=1))
        and not is_classes_of_pixels
    )


def _read(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    grid = outputs[0]
    rows, columns = grid.shape[2:]
    cells = grid.reshape(*grid.shape[:2], rows * columns).transpose(0, 2, 1)
    gy, gx = np.divmod(np.arange(rows * columns, dtype=np.float32), np.float32(columns))
    cx = (gx + np.tanh(cells[..., 1])) * np.float32(size.width / columns)
    cy = (gy + np.tanh(cells[..., 2])) * np.float32(size.height / rows)
    w = sigmoid(cells[..., 3]) * np.float32(size.width)
    h = sigmoid(cells[..., 4]) * np.float32(size.height)
    boxes = corners(np.stack([cx, cy, w, h], axis=-1).astype(np.float32, copy=False))
    positive = np.maximum(cells, 0)
    objectness, classes = positive[..., :1], positive[..., 5:]
    scores = np.power(objectness, np.float32(0.6)) * np.power(classes, np.float32(0.4))
    return Candidates(boxes, scores.astype(np.float32, copy=False))


LAYOUT = Layout(
    name="fastestdet",
    title="FastestDet",
    style=InputStyle(fitting=Fitting.STRETCH, is_bgr=True),
    score_threshold=0.4,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=_arrange,
    recognize=_recognize,
    read=_read,
    num_classes=lambda facts, order: facts.shapes[0][1] - 5,
)
