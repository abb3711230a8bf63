"""The joiner: logits of the next symbol, from a frame and the symbols so far."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Joiner(nn.Module):
    """`W tanh(frame + prediction) + b`; both come already projected to the joint space (J)."""

    def __init__(self, joint: int, num_symbols: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(joint, num_symbols)

    def forward(self, frames: Tensor, predictions: Tensor) -> Tensor:
        """Return logits (..., V) of frames (..., J) and predictions (..., J), broadcast."""
        logits: Tensor = self.output(self.dropout(torch.tanh(frames + predictions)))
        return logits
