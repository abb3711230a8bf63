"""A streaming encoder in an ONNX file: its states are inputs and outputs, a row for each stream.

The file says everything: the input `x` is (N, T, features); every other input is a state, of fixed
shape but for one dimension, the streams; the outputs are the encoded frames and the states after
the chunk, in the order of the inputs or named `new_` + input. Zipformer, Conformer, LSTM and
Emformer of icefall are all exported so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.transducer_folder.onnx_files import number_of

Floats = npt.NDArray[np.float32]

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
#: Numbers in a stream's state: 64 MiB.
_MAX_STATE = 16 * 2**20
_MAX_FRAMES = 4096


@dataclass(frozen=True)
class _StateInput:
    """One state: where it comes in and goes out, and its shape for one stream."""

    name: str
    output: str
    shape: tuple[int, ...]
    axis: int
    """The dimension of the streams; `shape` has 1 there."""
    dtype: Any

    @property
    def size(self) -> int:
        return prod(self.shape)


class OnnxEncoder:
    """Encodes one chunk of each of N streams."""

    def __init__(self, session: Any, metadata: dict[str, str], path: Path) -> None:
        """Read the shapes.

        Raises:
            ModelError: not a streaming encoder of this layout.
        """
        self._session, self._path = session, path
        self.window = number_of(metadata, "T", path, _MAX_FRAMES)
        """Frames that a chunk needs."""
        self.shift = number_of(metadata, "decode_chunk_len", path, self.window)
        """Frames by which the next chunk comes later."""
        inputs, outputs = session.get_inputs(), [o.name for o in session.get_outputs()]
        if len(inputs) < 2 or len(outputs) < len(inputs):
            raise ModelError(
                f"{path} has {len(inputs)} inputs and {len(outputs)} outputs: expected frames and "
                "states, and the same after the chunk: is it an encoder that streams?"
            )
        self.num_features = self._check_frames(inputs[0])
        self._input, self._output = inputs[0].name, outputs[0]
        after = [name for name in outputs[1:]]
        self._states = [
            self._state(given, f"new_{given.name}", after[number], outputs)
            for number, given in enumerate(inputs[1:])
        ]
        if self.state_size > _MAX_STATE:
            raise ModelError(f"{path}: {self.state_size:,} numbers in the state of one stream")

    @property
    def state_size(self) -> int:
        """Numbers in the state of one stream."""
        return sum(state.size for state in self._states)

    def start(self) -> Floats:
        """Return the state of a new stream: (state_size,) zeros."""
        return np.zeros(self.state_size, np.float32)

    def run(self, chunks: Floats, states: Floats) -> tuple[Floats, Floats]:
        """Encode chunks.

        Args:
            chunks: (N, window, num_features).
            states: (N, state_size); whole numbers among them are exact below 2^24.

        Returns:
            The encoded frames (N, T', D), and the states after the chunks.
        """
        feeds: dict[str, Any] = {self._input: chunks}
        start = 0
        for state in self._states:
            rows = states[:, start : start + state.size].astype(state.dtype)
            feeds[state.name] = _streams_to(rows.reshape(len(rows), *state.shape), state.axis)
            start += state.size
        names = [self._output, *(state.output for state in self._states)]
        encoded, *after = self._session.run(names, feeds)
        moved = [
            _streams_from(part, state.axis).reshape(len(chunks), -1).astype(np.float32)
            for part, state in zip(after, self._states, strict=True)
        ]
        return encoded, np.concatenate(moved, axis=1)

    def _check_frames(self, given: Any) -> int:
        shape = given.shape
        if len(shape) != 3 or given.type != "tensor(float)" or not isinstance(shape[2], int):
            raise ModelError(
                f"{self._path}: its first input {given.name!r} is {given.type} {shape}: expected "
                "frames (N, T, features), float"
            )
        return int(shape[2])

    def _state(self, given: Any, named: str, placed: str, outputs: Sequence[str]) -> _StateInput:
        open_axes = [axis for axis, size in enumerate(given.shape) if not isinstance(size, int)]
        if len(open_axes) != 1 or given.type not in _TYPES:
            raise ModelError(
                f"{self._path}: its state {given.name!r} is {given.type} {given.shape}: expected "
                "float or int64, with one dimension, the streams, left open: export it with a "
                "dynamic batch axis"
            )
        (axis,) = open_axes
        shape = tuple(1 if i == axis else int(size) for i, size in enumerate(given.shape))
        output = named if named in outputs else placed
        return _StateInput(given.name, output, shape, axis, _TYPES[given.type])


def _streams_to(rows: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Turn (N, ..., 1, ...) into (..., N, ...): the streams go to their dimension."""
    return np.ascontiguousarray(np.moveaxis(rows, 0, axis + 1).squeeze(axis))


def _streams_from(state: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Turn (..., N, ...) into (N, ...): undo `_streams_to`."""
    return np.moveaxis(state, axis, 0)
