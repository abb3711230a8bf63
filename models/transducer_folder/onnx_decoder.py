"""Decoder and joiner of a public transducer as a `Decoder`: decoding is that of every transducer.

The decoder is stateless (Ghodsi et al., 2020, "RNN-Transducer with Stateless Prediction Network"):
it reads the last symbols, and its memory here is these symbols.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.base import ModelError
from models.transducer.decoder import PredictionState
from models.transducer_folder.onnx_files import number_of

_MAX_CONTEXT = 64
#: Before the first symbol of a stream; icefall's decoders read it as no symbol.
_NOTHING = -1


class OnnxDecoder:
    """Decoder and joiner. Every call has `rows` rows, filled up, so that neighbors don't matter."""

    def __init__(
        self, decoder: Any, metadata: dict[str, str], joiner: Any, blank: int, path: Path, rows: int
    ) -> None:
        """Read the context's size.

        Raises:
            ModelError: the decoder reads something else than symbols, such as an LSTM's state.
        """
        inputs = decoder.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(int64)" or len(joiner.get_inputs()) != 2:
            raise ModelError(
                f"{path}: expected a stateless decoder with one input of int64 symbols, and a "
                "joiner of two inputs"
            )
        self._decoder, self._joiner, self._rows = decoder, joiner, rows
        self._context = number_of(metadata, "context_size", path, _MAX_CONTEXT)
        self._symbols_in = inputs[0].name
        self._joined_in = [given.name for given in joiner.get_inputs()]
        self._blank = blank
        self.start_state = self._after(torch.tensor([[[_NOTHING] * (self._context - 1) + [blank]]]))

    @property
    def blank(self) -> int:
        """The symbol that ends a frame."""
        return self._blank

    def start(self, count: int) -> PredictionState:
        """Return the state of `count` streams before any symbol."""
        return self.start_state.select(torch.zeros(count, dtype=torch.int64))

    def advance(self, symbols: Tensor, state: PredictionState) -> PredictionState:
        """Return the state after one more symbol of each row, (B,) int64."""
        last = torch.cat([state.memory[0][:, :, 1:], symbols[None, :, None]], 2)
        return self._after(last)

    def joint(self, frames: Tensor, output: Tensor) -> Tensor:
        """Return logits (B, T, V) of frames (B, T, J) after predictions (B, J)."""
        count, times, width = frames.shape
        predicted = output[:, None].expand(-1, times, -1).reshape(count * times, -1)
        logits = self._in_rows(
            self._joiner,
            dict(
                zip(
                    self._joined_in,
                    (frames.reshape(count * times, width).numpy(), predicted.numpy()),
                    strict=True,
                )
            ),
        )
        return logits.reshape(count, times, -1)

    def _after(self, last: Tensor) -> PredictionState:
        """Return the state after the last symbols, (1, B, context) int64."""
        output = self._in_rows(self._decoder, {self._symbols_in: last[0].numpy()})
        return PredictionState(output.flatten(1), (last,))

    def _in_rows(self, session: Any, feeds: dict[str, Any]) -> Tensor:
        """Run in calls of `rows` rows each; return the rows of the only output."""
        count = len(next(iter(feeds.values())))
        parts = []
        for first in range(0, count, self._rows):
            taken = {
                name: _filled(rows[first : first + self._rows], self._rows)
                for name, rows in feeds.items()
            }
            (output,) = session.run(None, taken)[:1]
            parts.append(output[: count - first])
        return torch.from_numpy(np.concatenate(parts)) if parts else torch.zeros(0, 0)


def _filled(rows: Any, count: int) -> Any:
    """Return rows filled up with copies of the first to `count`."""
    if len(rows) == count:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.repeat(rows[:1], count - len(rows), axis=0)])
