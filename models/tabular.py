"""Any ONNX model on a row of numbers: regression, classification, scoring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import Model, ModelError
from models.content_hash import content_version
from models.number_rows import NumberRows, json_rows
from models.onnx_session import open_session
from models.weights import refuse_pickle
from schemas import Event, InputError
from schemas.errors import ModelFailedError

Row = dict[str, Any]


class OnnxTabular(Model[Event, Row]):
    """Takes the numbers of an event and returns the model's outputs as a plain dict. Stateless.

    Reads `SensorReading.values` or `BehaviorEvent.features`, or a field with one of these names in
    a custom event type.
    """

    name = "onnx_tabular"
    event_type = Event

    def __init__(
        self,
        path: str,
        features: list[str],
        input: str | None = None,
        output: str | list[str] | None = None,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            path: an ONNX file with one input of shape (B, F) or (1, F), float32.
            features: the F names, in the order of the model's columns.
            input: name of the model's input; None: its only input.
            output: name or names of the outputs to return; None: all outputs.
        """
        self._path = Path(path).expanduser()
        self._rows = NumberRows(features)
        self._input = input
        self._outputs = [output] if isinstance(output, str) else output

    def load(self, device: str = "cpu") -> None:
        """Read the file and check its inputs and outputs; `version` becomes a short hash of it.

        Raises:
            ModelError: the file is absent, no ONNX model, or its input has another shape.
        """
        refuse_pickle(self._path)
        version = content_version(self._path)
        # Small models gain nothing from threads.
        self._session = open_session(self._path, device, 1)
        self._input = self._check_input()
        self._outputs = self._check_outputs()
        self.version = version

    def warm_up(self) -> None:
        """Run the model on one row of zeros."""
        self._run(np.zeros((1, len(self._rows.features)), dtype=np.float32))

    def predict_batch(self, batch: Sequence[Event]) -> list[Row | InputError]:
        """Run the model on each event's row.

        Returns:
            B answers in input order: {output name: number, text or list}, or an `InputError` if
            a feature is absent or too large for float32, or an output is NaN or infinite.
        """
        rows = [self._rows.row(event) for event in batch]
        good = [row for row in rows if not isinstance(row, InputError)]
        answers = iter(self._run(np.array(good, dtype=np.float32)) if good else [])
        return [row if isinstance(row, InputError) else next(answers) for row in rows]

    def close(self) -> None:
        """Free the session."""
        del self._session

    def _run(self, rows: NDArray[np.float32]) -> list[Row | InputError]:
        """Return one dict or error for each of (B, F) float32."""
        parts = [rows[i : i + 1] for i in range(len(rows))] if self._is_one_by_one else [rows]
        return [answer for part in parts for answer in self._run_part(part)]

    def _run_part(self, rows: NDArray[np.float32]) -> list[Row | InputError]:
        names = self._outputs or []
        outputs = self._session.run(names, {self._input: rows})
        columns = [
            [_as_json(item) for item in json_rows(name, value, len(rows))]
            for name, value in zip(names, outputs, strict=True)
        ]
        answers = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        is_finite = np.all([_finite_rows(value, len(rows)) for value in outputs], axis=0)
        return [
            answer if good else _not_finite(answer)
            for answer, good in zip(answers, is_finite.tolist(), strict=True)
        ]

    def _check_input(self) -> str:
        inputs = {node.name: node for node in self._session.get_inputs()}
        name = self._input or next(iter(inputs))
        if name not in inputs or len(inputs) > 1:
            raise ModelError(
                f"{self._path} has the inputs {', '.join(inputs)}: expected "
                f"{'one' if self._input is None else f'{self._input!r}'} alone"
            )
        node = inputs[name]
        if node.type != "tensor(float)" or not _fits(node.shape, len(self._rows.features)):
            raise ModelError(
                f"{self._path}: input {name} is {node.type} of shape {node.shape}: expected "
                f"tensor(float) of shape (B, {len(self._rows.features)}), one column a feature"
            )
        self._is_one_by_one = node.shape[0] == 1
        return name

    def _check_outputs(self) -> list[str]:
        known = [node.name for node in self._session.get_outputs()]
        wanted = known if self._outputs is None else self._outputs
        absent = [name for name in wanted if name not in known]
        if absent or not wanted:
            raise ModelError(
                f"{self._path} has no output {', '.join(absent)}: it has {', '.join(known)}"
            )
        return wanted


def _fits(shape: Sequence[int | str | None], num_features: int) -> bool:
    """Return whether the input takes (B, F) or (1, F); a free dimension is a name or None."""
    wanted = (1, num_features)
    return len(shape) == 2 and all(
        size == want or not isinstance(size, int) for size, want in zip(shape, wanted, strict=True)
    )


def _finite_rows(value: Any, length: int) -> NDArray[np.bool_]:
    """Return for each row of an output whether all its numbers are finite."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.asarray(np.isfinite(value).reshape(length, -1).all(axis=1), np.bool_)
    if isinstance(value, list):  # maps of class to probability
        maps = [list(item.values()) if isinstance(item, dict) else [] for item in value]
        return np.array([all(math.isfinite(number) for number in item) for item in maps], np.bool_)
    return np.ones(length, np.bool_)


def _not_finite(answer: Row) -> InputError:
    return ModelFailedError(ValueError(f"an output is NaN or infinite: {answer}"[:500]), 1)


def _as_json(item: Any) -> Any:
    """Convert the keys of the maps that scikit-learn's classifiers return (ZipMap) to strings."""
    return {str(key): number for key, number in item.items()} if isinstance(item, dict) else item
