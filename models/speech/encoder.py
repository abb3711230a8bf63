"""The causal encoder: log-mel frames in, one vector for each 40 ms out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn

from models.speech.features import NUM_MELS

Size = Annotated[int, Meta(ge=1, le=4096)]


class EncoderShape(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the encoder; stored beside the weights."""

    channels: Size = 192
    """Of both convolutions."""
    hidden: Size = 320
    """Units of each layer of the LSTM."""
    layers: Annotated[int, Meta(ge=1, le=12)] = 3
    """Of the LSTM."""


@dataclass(frozen=True)
class EncoderState:
    """Where the encoding of B streams stands."""

    frame: Tensor
    """(B, 1, 80): the last frame of the spectrogram."""
    subsampled: Tensor
    """(B, 1, channels): the last output of the first convolution."""
    hidden: Tensor
    """(L, B, H) of the LSTM."""
    cell: Tensor
    """(L, B, H) of the LSTM."""

    def rows(self) -> list[Tensor]:
        """Return all tensors with the streams first: (B, n) each."""
        parts = [getattr(self, field.name) for field in fields(self)]
        moved = [*parts[:2], *(part.movedim(1, 0) for part in parts[2:])]
        return [part.flatten(1) for part in moved]


class SpeechEncoder(nn.Module):
    """Two strided causal convolutions and an LSTM: no frame sees what comes after it.

    Source: the LSTM encoder of He et al., 2019, "Streaming End-to-end Speech Recognition for
    Mobile Devices", arXiv:1811.06621, with convolutions for its stacked frames, and far smaller.
    """

    def __init__(self, shape: EncoderShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.first = nn.Conv1d(NUM_MELS, shape.channels, 3, stride=2)
        self.second = nn.Conv1d(shape.channels, shape.channels, 3, stride=2)
        self.norm = nn.LayerNorm(shape.channels)
        between = dropout if shape.layers > 1 else 0.0
        self.recurrent = nn.LSTM(
            shape.channels, shape.hidden, shape.layers, batch_first=True, dropout=between
        )

    def start(self, count: int) -> EncoderState:
        """Return the state of `count` streams before any frame."""
        weight = self.first.weight
        layers = weight.new_zeros(self.shape.layers, count, self.shape.hidden)
        return EncoderState(
            weight.new_zeros(count, 1, NUM_MELS),
            weight.new_zeros(count, 1, self.shape.channels),
            layers,
            layers,
        )

    def forward(self, frames: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Encode the next frames of B streams.

        Args:
            frames: (B, T, 80), T a multiple of 4.
            state: of the streams before them; not changed.

        Returns:
            (B, T / 4, hidden) and the state after them.
        """
        first = _convolve(self.first, torch.cat([state.frame, frames], 1))
        second = _convolve(self.second, torch.cat([state.subsampled, first], 1))
        output, (hidden, cell) = self.recurrent(self.norm(second), (state.hidden, state.cell))
        return output, EncoderState(frames[:, -1:], first[:, -1:], hidden, cell)


def _convolve(layer: nn.Conv1d, sequence: Tensor) -> Tensor:
    """Apply a convolution and ReLU along dimension 1."""
    convolved: Tensor = layer(sequence.movedim(1, 2)).relu().movedim(2, 1)
    return convolved
