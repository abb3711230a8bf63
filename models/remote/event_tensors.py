"""Turns the events of a batch into the input tensor of a remote model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.base import ModelError
from models.number_rows import NumberRows
from models.remote.tensors import DTYPES, Tensor, TensorInfo
from schemas import Event, InputError

_FLOATS = ("FP16", "FP32", "FP64")
_FIELDS = ("text", "image")


class EventTensors:
    """Makes an input of (B, F) numbers, or of (B,) or (B, 1) texts or pictures."""

    def __init__(
        self, info: TensorInfo, rows: NumberRows | None, takes_binary: bool = True
    ) -> None:
        """Check that the input can take events.

        Args:
            info: what the server says of the input.
            rows: the numbers to send; None: the event's text, or its picture as it was stored.
            takes_binary: whether values that are no text can be sent.

        Raises:
            ModelError: the input has another type or shape.
        """
        self._info, self._rows = info, rows
        self._takes_binary = takes_binary
        num_columns = len(rows.features) if rows is not None else 1
        expected = f"{' or '.join(_FLOATS)} (B, {num_columns})" if rows else "BYTES (B,) or (B, 1)"
        kinds = _FLOATS if rows is not None else ("BYTES",)
        if info.datatype not in kinds or not self._fits(num_columns):
            raise ModelError(
                f"its input {info.name} is {info.datatype} {list(info.shape)}: expected {expected}"
                + ("" if rows else "; for numbers, name `features`")
            )

    def _fits(self, num_columns: int) -> bool:
        rest = self._info.shape[1:]
        if self._rows is None and not rest:
            return len(self._info.shape) == 1
        return len(rest) == 1 and rest[0] in (-1, num_columns)

    @property
    def most_rows(self) -> int | None:
        """The rows that one request may have, as the server says; None: any number."""
        return self._info.shape[0] if self._info.shape[0] > 0 else None

    def element(self, event: Event) -> Any:
        """Return what is sent for an event, or an `InputError`."""
        if self._rows is not None:
            row = self._rows.row(event)
            return self._checked(row) if isinstance(row, list) else row
        for field in _FIELDS:
            value = getattr(event, field, None)
            if isinstance(value, str):
                return value
            if isinstance(value, bytes):
                return (
                    value
                    if self._takes_binary
                    else InputError(
                        "pictures can't be sent over HTTP: use the server's grpc:// address"
                    )
                )
        return InputError(f"{type(event).__name__} has neither `text` nor `image`: nothing to send")

    def _checked(self, row: list[float]) -> list[float] | InputError:
        largest = float(np.finfo(DTYPES[self._info.datatype]).max)
        if max(map(abs, row)) > largest:
            return InputError(f"a number of {row[:20]} is too large for {self._info.datatype}")
        return row

    def tensor(self, elements: Sequence[Any]) -> Tensor:
        """Return the input for n elements."""
        values = np.array(elements, dtype=DTYPES[self._info.datatype])
        if self._rows is None and len(self._info.shape) == 2:
            values = values.reshape(-1, 1)
        return Tensor(self._info.name, self._info.datatype, values)

    def example(self) -> Any:
        """Return an element to try the model with."""
        return [0.0] * len(self._rows.features) if self._rows is not None else ""
