"""The prediction network: what may come next, by the symbols so far."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.transducer.decoder import BLANK, PredictionState


class PredictionNetwork(nn.Module):
    """Embedding, a recurrent network of L layers of H units, and a projection to the joint space.

    Before the first symbol it reads the blank, whose embedding is trained.
    """

    def __init__(
        self,
        num_symbols: int,
        *,
        hidden: int,
        joint: int,
        layers: int = 1,
        cell: Literal["lstm", "gru"] = "lstm",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_symbols, hidden)
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        between = dropout if layers > 1 else 0.0
        self.recurrent = kind(hidden, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(hidden, joint)

    def forward(self, targets: Tensor) -> Tensor:
        """Return the outputs before each of (B, U) symbols and after the last: (B, U + 1, J)."""
        symbols = nn.functional.pad(targets, (1, 0), value=BLANK)
        output, _ = self.recurrent(self.dropout(self.embedding(symbols)))
        projected: Tensor = self.projection(self.dropout(output))
        return projected

    def start(self, count: int) -> PredictionState:
        """Return the state of `count` streams before any symbol."""
        weight = self.projection.weight
        shape = (self.recurrent.num_layers, 1, self.recurrent.hidden_size)
        parts = 2 if isinstance(self.recurrent, nn.LSTM) else 1
        memory = tuple(weight.new_zeros(shape) for _ in range(parts))
        one = self._step(torch.full((1,), BLANK, device=weight.device), memory)
        # Computed once, so that a new stream starts with the same bits among few and many.
        return one.select(torch.zeros(count, dtype=torch.int64, device=weight.device))

    def advance(self, symbols: Tensor, state: PredictionState) -> PredictionState:
        """Return the state after one more symbol of each row, (B,) int64."""
        return self._step(symbols, state.memory)

    def _step(self, symbols: Tensor, memory: tuple[Tensor, ...]) -> PredictionState:
        is_lstm = isinstance(self.recurrent, nn.LSTM)
        embedded = self.embedding(symbols[:, None])
        output, after = self.recurrent(embedded, memory if is_lstm else memory[0])
        return PredictionState(self.projection(output[:, 0]), after if is_lstm else (after,))
