"""What is known of a model file before its layout is: names, shapes, metadata, sample outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.detection.boxes import Floats

#: Strides of the grids of known detectors, finest first. Most have 8, 16 and 32; variants for small
#: objects add 4, variants for large inputs add 64, and tiny ones leave out 8.
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
#: Probabilities may be over 1 by rounding, most of all in half precision.
_ROUNDING = 2e-3


@dataclass(frozen=True)
class Facts:
    """A model file, and its outputs for a few pictures, each run alone."""

    names: Sequence[str]
    """Of the outputs."""
    samples: Sequence[Sequence[Floats]]
    """For each sample picture the outputs, each with the batch of one as the first axis if the
    network has a batch axis."""
    height: int
    width: int
    """Of the network's input, pixels."""
    extra_inputs: Sequence[str] = ()
    """Names of the inputs beside the pictures."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What the file's exporter wrote into it."""
    config: dict[str, Any] = field(default_factory=dict)
    """The config.json beside the file, as transformers and optimum write it; may be empty."""
    num_labels: int = 0
    """How many class names are known; 0: none."""

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the outputs for the first sample picture."""
        return [output.shape for output in self.samples[0]]

    @property
    def ranks(self) -> tuple[int, ...]:
        """Number of dimensions of each output."""
        return tuple(len(shape) for shape in self.shapes)

    @property
    def model_type(self) -> str:
        """The family that config.json names, such as `detr`; may be empty."""
        return str(self.config.get("model_type") or "")

    def rows(self, output: int) -> Floats:
        """Return all rows of an output whose last axis is the row, of all samples: (n, D).

        Rows that are not finite are left out, here and below: they show no layout.
        """
        width = self.shapes[output][-1]
        parts = [sample[output].reshape(-1, width) for sample in self.samples]
        return _finite(np.concatenate(parts))

    def columns(self, output: int) -> Floats:
        """Return all columns (n, D) of an output (1, D, ...), of all samples."""
        depth = self.shapes[output][1]
        parts = [sample[output].reshape(depth, -1).T for sample in self.samples]
        return _finite(np.concatenate(parts))

    def numbers(self, output: int) -> Floats:
        """Return all values of an output, of all samples: (n,)."""
        parts = [sample[output].reshape(-1, 1) for sample in self.samples]
        return _finite(np.concatenate(parts))[:, 0]

    def has_labels(self, count: int) -> bool:
        """Return whether that number of classes agrees with the known class names."""
        return self.num_labels in (0, count)

    def boxes_per_cell(self, count: int) -> int | None:
        """Return how many boxes each cell has, if `count` are 1 or 3 of each cell of the grids."""
        for strides in STRIDES:
            cells = num_cells(self.height, self.width, strides)
            if count in (cells, 3 * cells):
                return count // cells
        return None


def _finite(rows: Floats) -> Floats:
    return rows[np.isfinite(rows).all(axis=1)]


def num_cells(height: int, width: int, strides: Sequence[int]) -> int:
    """Return the number of cells of all grids over an input."""
    return sum(-(-height // stride) * -(-width // stride) for stride in strides)


def are_probabilities(values: Floats) -> bool:
    """Return whether all values are in [0, 1], but for rounding; True if there are none."""
    if values.size == 0:
        return True
    return bool(values.min() >= -_ROUNDING and values.max() <= 1 + _ROUNDING)


def are_integers(values: Floats) -> bool:
    """Return whether all values are whole numbers from 0 up; True if there are none."""
    return bool((values >= 0).all() and (values == np.rint(values)).all())


def are_shares(boxes: Floats) -> bool:
    """Return whether boxes (n, 4) are shares of the input's sides: some is not 0, all are small.

    A box may reach a little over the edge.
    """
    return bool(boxes.size and boxes.any() and boxes.min() > -0.6 and boxes.max() < 1.6)


def are_pixels(boxes: Floats) -> bool:
    """Return whether boxes (n, 4) are in pixels: some value is too large for a share."""
    return bool(boxes.size and boxes.max() > 2)


def are_ordered(boxes: Floats) -> bool:
    """Return whether boxes (n, 4) are corners x1 <= x2, y1 <= y2, but for rounding."""
    return bool((boxes[:, 2:] - boxes[:, :2] >= -1e-2).all())


def find_names(names: Sequence[str], *parts: str) -> tuple[int, ...] | None:
    """Return the position of the one name that contains each part; None if a part has no such.

    Of several, the name that is the part is taken: TensorFlow writes `raw_detection_boxes:0`
    beside `detection_boxes:0`. Case does not matter.
    """
    plain = [name.lower().removesuffix(":0") for name in names]
    found = []
    for part in parts:
        matching = [i for i, name in enumerate(plain) if part in name]
        if len(matching) > 1 and plain.count(part) == 1:
            matching = [plain.index(part)]
        if len(matching) != 1:
            return None
        found += matching
    return tuple(found) if len(set(found)) == len(parts) else None
