"""Convert a detector's raw outputs to boxes and scores, by family of model.

`end_to_end` models decode boxes in their graph; the YOLO families and FastestDet leave part of the
work to the caller. A layout also says which input its family expects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from models.detection.boxes import Floats

#: Output shapes as declared in a model file; None for an open dimension.
Shapes: TypeAlias = Sequence[Sequence[int | None]]


class Candidates(NamedTuple):
    """A network's boxes before suppression: N for each of B frames."""

    boxes: Floats
    """(B, N, 4) xyxy, in pixels of the network's input."""
    scores: Floats
    """(B, N, C) in [0, 1]."""


@dataclass(frozen=True)
class Layout:
    """One family of detectors: the input it expects and how to read its outputs."""

    name: str
    keeps_aspect: bool
    """Whether pictures are letterboxed; if not, they are stretched."""
    is_bgr: bool
    score_threshold: float
    """The default score threshold, in [0, 1]."""
    ranks: tuple[int, ...]
    """Number of dimensions of each output."""
    matches: Callable[[Shapes], bool]
    """Whether outputs with these shapes, of the right ranks, belong to this family."""
    num_classes: Callable[[Shapes], int | None]
    """C, if it can be read from the shapes."""
    decode: Callable[[Sequence[Floats], int, int], Candidates]
    """Converts outputs to candidates, given the input's height and width."""


def _decode_end_to_end(outputs: Sequence[Floats], height: int, width: int) -> Candidates:
    return Candidates(outputs[0], outputs[1])


def _decode_fastestdet(outputs: Sequence[Floats], height: int, width: int) -> Candidates:
    """Read (B, 5 + C, rows, columns).

    Source: example/onnx-runtime of github.com/dog-qiuqiu/FastestDet.
    """
    grid = outputs[0]
    rows, columns = grid.shape[2:]
    cells = grid.reshape(*grid.shape[:2], rows * columns).transpose(0, 2, 1)
    gy, gx = np.divmod(np.arange(rows * columns, dtype=np.float32), np.float32(columns))
    cx = (gx + np.tanh(cells[..., 1])) * np.float32(width / columns)
    cy = (gy + np.tanh(cells[..., 2])) * np.float32(height / rows)
    w = _sigmoid(cells[..., 3]) * np.float32(width)
    h = _sigmoid(cells[..., 4]) * np.float32(height)
    boxes = _corners(np.stack([cx, cy, w, h], axis=-1).astype(np.float32, copy=False))
    positive = np.maximum(cells, 0)
    objectness, classes = positive[..., :1], positive[..., 5:]
    scores = np.power(objectness, np.float32(0.6)) * np.power(classes, np.float32(0.4))
    return Candidates(boxes, scores.astype(np.float32, copy=False))


def _decode_yolov8(outputs: Sequence[Floats], height: int, width: int) -> Candidates:
    cells = outputs[0].transpose(0, 2, 1)
    return Candidates(_corners(cells[..., :4]), cells[..., 4:])


def _decode_yolov5(outputs: Sequence[Floats], height: int, width: int) -> Candidates:
    cells = outputs[0]
    return Candidates(_corners(cells[..., :4]), cells[..., 5:] * cells[..., 4:5])


def _corners(boxes: Floats) -> Floats:
    """Convert (..., 4) center x, center y, width, height to xyxy."""
    center, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate([center - half, center + half], axis=-1)


def _sigmoid(x: Floats) -> Floats:
    # tanh can't overflow, exp can.
    result: Floats = (np.tanh(x * np.float32(0.5)) + 1) * np.float32(0.5)
    return result


def _is_wide(shape: Sequence[int | None]) -> bool | None:
    """Return whether an output (B, a, b) has its cells last: a < b; None if not known."""
    _, a, b = shape
    return None if a is None or b is None or a == b else a < b


def _minus(count: int | None, others: int) -> int | None:
    return None if count is None else count - others


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            name="end_to_end",
            keeps_aspect=True,
            is_bgr=False,
            score_threshold=0.3,
            ranks=(3, 3),
            matches=lambda shapes: shapes[0][2] == 4,
            num_classes=lambda shapes: shapes[1][2],
            decode=_decode_end_to_end,
        ),
        Layout(
            name="fastestdet",
            keeps_aspect=False,
            is_bgr=True,
            score_threshold=0.4,
            ranks=(4,),
            matches=lambda shapes: True,
            num_classes=lambda shapes: _minus(shapes[0][1], 5),
            decode=_decode_fastestdet,
        ),
        Layout(
            name="yolov8",
            keeps_aspect=True,
            is_bgr=False,
            score_threshold=0.25,
            ranks=(3,),
            matches=lambda shapes: _is_wide(shapes[0]) is True,
            num_classes=lambda shapes: _minus(shapes[0][1], 4),
            decode=_decode_yolov8,
        ),
        Layout(
            name="yolov5",
            keeps_aspect=True,
            is_bgr=False,
            score_threshold=0.25,
            ranks=(3,),
            matches=lambda shapes: _is_wide(shapes[0]) is False,
            num_classes=lambda shapes: _minus(shapes[0][2], 5),
            decode=_decode_yolov5,
        ),
    )
}


def find_layout(name: str | None, shapes: Shapes) -> Layout:
    """Return the layout of that name, or without a name the one that fits the outputs.

    Raises:
        ValueError: no such layout, it does not fit the outputs, or none does.
    """
    ranks = tuple(len(shape) for shape in shapes)
    if name is None:
        for layout in LAYOUTS.values():
            if layout.ranks == ranks and layout.matches(shapes):
                return layout
        known = ", ".join(LAYOUTS)
        raise ValueError(
            f"outputs {_format_shapes(shapes)} fit no known layout: set layout to {known}"
        )
    if name not in LAYOUTS:
        raise ValueError(f"no layout {name!r}: expected one of {', '.join(LAYOUTS)}")
    if LAYOUTS[name].ranks != ranks:
        raise ValueError(f"outputs {_format_shapes(shapes)} can't be of layout {name}")
    return LAYOUTS[name]


def _format_shapes(shapes: Shapes) -> str:
    return " and ".join(str([n if n is not None else "?" for n in shape]) for shape in shapes)
