"""A transducer: an encoder, a prediction network and a joiner."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from torch import Tensor, nn

from models.transducer.decoder import BLANK, PredictionState
from models.transducer.joiner import Joiner
from models.transducer.prediction import PredictionNetwork

Size = Annotated[int, Meta(ge=1, le=4096)]


class TransducerShape(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the prediction network and the joiner; stored beside the weights."""

    joint: Size = 256
    """Width of the space in which frames and predictions are added."""
    hidden: Size = 256
    """Units of a layer of the prediction network."""
    layers: Annotated[int, Meta(ge=1, le=8)] = 1
    """Of the prediction network."""
    cell: Literal["lstm", "gru"] = "lstm"
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """In training: of embedded symbols, predictions and the joint space."""


class Transducer(nn.Module):
    """A transducer with a given encoder. It satisfies `Decoder`.

    Attributes:
        encoder: the module that was given, so that its weights are saved with the rest. This class
            never calls it: streaming and training call it in different ways.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        encoder_width: int,
        num_symbols: int,
        shape: TransducerShape | None = None,
    ) -> None:
        super().__init__()
        shape = shape or TransducerShape()
        self.encoder = encoder
        self.projection = nn.Linear(encoder_width, shape.joint)
        self.prediction = PredictionNetwork(
            num_symbols,
            hidden=shape.hidden,
            joint=shape.joint,
            layers=shape.layers,
            cell=shape.cell,
            dropout=shape.dropout,
        )
        self.joiner = Joiner(shape.joint, num_symbols, dropout=shape.dropout)

    @property
    def blank(self) -> int:
        """The symbol that ends a frame."""
        return BLANK

    def forward(self, encoded: Tensor, targets: Tensor) -> Tensor:
        """Return logits (B, T, U + 1, V) of encoded frames (B, T, E) and targets (B, U) int64."""
        frames, predictions = self.project(encoded), self.prediction(targets)
        logits: Tensor = self.joiner(frames[:, :, None], predictions[:, None])
        return logits

    def project(self, encoded: Tensor) -> Tensor:
        """Return frames (B, T, J) of the encoder's output (B, T, E), for decoding."""
        frames: Tensor = self.projection(encoded)
        return frames

    def start(self, count: int) -> PredictionState:
        """Return the state of `count` streams before any symbol."""
        return self.prediction.start(count)

    def advance(self, symbols: Tensor, state: PredictionState) -> PredictionState:
        """Return the state after one more symbol of each row, (B,) int64."""
        return self.prediction.advance(symbols, state)

    def joint(self, frames: Tensor, output: Tensor) -> Tensor:
        """Return logits (B, T, V) of frames (B, T, J) after predictions (B, J)."""
        logits: Tensor = self.joiner(frames, output[:, None])
        return logits
