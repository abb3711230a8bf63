"""What can be exported: the float32 ONNX file, inputs from data, and answers to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

#: An ONNX file's inputs by name: one batch.
Feed: TypeAlias = dict[str, npt.NDArray[Any]]
ONNX_NAME = "model.onnx"


class Source(Protocol):
    """A model that can be exported."""

    def write_float(self, out: Path) -> Path:
        """Write `out`/model.onnx in float32, and the files that it needs beside it; return it.

        Raises:
            ModelError: the model can't be written as ONNX.
        """
        ...

    def parity(self, onnx: Path) -> float | None:
        """Return the largest absolute difference of a file's outputs from those of its network.

        None if it was an ONNX file already.
        """
        ...

    def feeds(self, onnx: Path, part: str) -> Sequence[Feed]:
        """Return inputs for a file.

        Args:
            onnx: the file.
            part: `calibration` or `comparison`: their data have nothing in common, unless a user
                gives the same file for both.
        """
        ...

    def agreement(self, one: Path, other: Path) -> Mapping[str, float]:
        """Return how often two files give the same answers, in [0, 1], by the figure's name."""
        ...

    def quality(self, onnx: Path) -> Mapping[str, float]:
        """Return a file's figures on data with known answers; empty without such data."""
        ...
