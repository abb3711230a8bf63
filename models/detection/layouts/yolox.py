"""YOLOX: (B, N, 5 + C), one row for each cell of the grids of strides 8, 16 and 32.

A row is the box, the objectness and class probabilities. As exported by default, boxes are still
coded by their cell: center = (xy + cell) * stride, size = exp(wh) * stride. With
`--decode_in_inference` they are in pixels. The picture is at the top left of a canvas of gray 114,
BGR, 0 to 255.
Source: `demo_postprocess` and `preproc` of github.com/Megvii-BaseDetection/YOLOX; Ge et al., 2021,
arXiv:2107.08430.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import Fitting
from models.detection.layouts.base import InputSize, InputStyle, Layout, Order, Overlap
from models.detection.layouts.facts import STRIDES, Facts, num_cells
from models.detection.layouts.geometry import corners
from models.detection.layouts.yolov5 import arrange_rows, have_objectness, read_rows

#: A coded center lies a few cells from its cell; decoded centers reach over the whole input.
_FARTHEST_CODED, _LEAST_SPREAD = 8.0, 0.3
#: exp(20) strides are more than any input; larger values come from cells without an object.
_LARGEST_LOG = 20.0
_STYLE = InputStyle(fitting=Fitting.CORNER, is_bgr=True, scale=1.0)


def _arrange_cells(facts: Facts) -> Order | None:
    order = arrange_rows(facts)
    is_of_cells = order is not None and facts.boxes_per_cell(facts.shapes[0][1]) == 1
    return order if is_of_cells else None


def _has_row_for_each_cell(facts: Facts) -> bool:
    return have_objectness(facts) and facts.boxes_per_cell(facts.shapes[0][1]) == 1


def _is_coded(facts: Facts, order: Order) -> bool:
    if not _has_row_for_each_cell(facts):
        return False
    boxes = facts.rows(0)[:, :4]
    return bool(boxes.any() and np.abs(boxes[:, :2]).max() <= _FARTHEST_CODED)


def _is_decoded(facts: Facts, order: Order) -> bool:
    if not _has_row_for_each_cell(facts):
        return False
    rows = facts.rows(0)
    reach = max(_FARTHEST_CODED, _LEAST_SPREAD * max(facts.height, facts.width))
    return bool(rows[:, :2].max(initial=0) > reach and (rows[:, 4] != 1).any())


def _read_coded(outputs: Sequence[Floats], size: InputSize) -> Candidates:
    rows = outputs[0]
    cells, strides = _grids(rows.shape[1], size)
    center = (rows[..., :2] + cells) * strides
    sides = np.exp(np.minimum(rows[..., 2:4], _LARGEST_LOG)) * strides
    boxes = corners(np.concatenate([center, sides], axis=-1).astype(np.float32, copy=False))
    return Candidates(boxes, rows[..., 5:] * rows[..., 4:5])


def _grids(count: int, size: InputSize) -> tuple[Floats, Floats]:
    """Return the column and row of each of the cells (N, 2), and its stride (N, 1)."""
    strides = next((s for s in STRIDES if num_cells(*size, s) == count), None)
    if strides is None:
        raise ValueError(
            f"{count} rows are not the cells of an input of {size.height}x{size.width} pixels: "
            "correct the option input_size"
        )
    cells, factors = [], []
    for stride in strides:
        rows, columns = -(-size.height // stride), -(-size.width // stride)
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        factors.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(factors).astype(np.float32)


LAYOUT = Layout(
    name="yolox",
    title="YOLOX, boxes coded by cells",
    style=_STYLE,
    score_threshold=0.25,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=_arrange_cells,
    recognize=_is_coded,
    read=_read_coded,
    num_classes=lambda facts, order: facts.shapes[0][2] - 5,
)

DECODED = Layout(
    name="yolox_decoded",
    title="YOLOX exported with --decode_in_inference",
    style=_STYLE,
    score_threshold=0.25,
    overlap=Overlap.SUPPRESSED_HERE,
    arrange=arrange_rows,
    recognize=_is_decoded,
    read=read_rows,
    num_classes=lambda facts, order: facts.shapes[0][2] - 5,
)
