"""Prediction network and joiner of transformers' transducers, as a `Decoder`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.transducer.decoder import PredictionState


class TransformersDecoder:
    """An LSTM that has read the blank, and a joiner that adds."""

    def __init__(self, model: Any, blank: int) -> None:
        self._decoder, self._joint, self._blank = model.decoder, model.joint, blank

    @property
    def blank(self) -> int:
        """The symbol that ends a frame."""
        return self._blank

    def start(self, count: int) -> PredictionState:
        """Return the state of `count` streams, which have read the blank."""
        lstm = self._decoder.lstm
        zeros = lstm.weight_hh_l0.new_zeros(lstm.num_layers, count, lstm.hidden_size)
        symbols = torch.full((count,), self._blank, device=zeros.device)
        return self.advance(symbols, PredictionState(zeros[0], (zeros, zeros)))

    def advance(self, symbols: Tensor, state: PredictionState) -> PredictionState:
        """Return the state after one more symbol of each row, (B,) int64."""
        embedded = self._decoder.embedding(symbols[:, None])
        hidden, cell = (part.contiguous() for part in state.memory)
        output, memory = self._decoder.lstm(embedded, (hidden, cell))
        return PredictionState(self._decoder.decoder_projector(output)[:, 0], memory)

    def joint(self, frames: Tensor, output: Tensor) -> Tensor:
        """Return logits (B, T, V) of frames (B, T, J) after predictions (B, J)."""
        logits: Tensor = self._joint(
            encoder_hidden_states=frames, decoder_hidden_states=output[:, None]
        )
        return logits

    def of_row(self, row: Tensor) -> PredictionState:
        """Return the state of one stream from its numbers: output, hidden and cell."""
        lstm = self._decoder.lstm
        output = row[: lstm.hidden_size].reshape(1, -1)
        hidden, cell = row[lstm.hidden_size :].reshape(2, lstm.num_layers, 1, lstm.hidden_size)
        return PredictionState(output, (hidden.contiguous(), cell.contiguous()))
