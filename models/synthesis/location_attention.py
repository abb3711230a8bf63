"""Location-sensitive attention, which knows where it has been."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from models.synthesis.tacotron2 import Tacotron2Config


class LocationLayer(nn.Module):
    """Features of where the attention has been."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        kernel = config.location_kernel
        self.location_conv = nn.Conv1d(
            2, config.location_filters, kernel, padding=(kernel - 1) // 2, bias=False
        )
        self.location_dense = linear(config.location_filters, config.attention_size, "tanh")

    def kernel(self) -> torch.Tensor:
        """Return both layers as one: (attention_size, 2 * location_kernel). There is no bias."""
        return self.location_dense.weight @ self.location_conv.weight.flatten(1)

    def forward(self, weights: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        """Return (B, S, attention_size) for last and summed weights (B, 2, S)."""
        size = self.location_conv.kernel_size[0]
        padded = functional.pad(weights, ((size - 1) // 2, (size - 1) // 2))
        windows = padded.unfold(2, size, 1)  # (B, 2, S, size)
        return functional.linear(windows.transpose(1, 2).flatten(2), kernel)


class AttendedText(NamedTuple):
    """What the attention reads in each step; made once for a batch."""

    encoded: torch.Tensor
    """(B, S, symbol_size)."""
    keys: torch.Tensor
    """(B, S, attention_size)."""
    outside: torch.Tensor
    """(B, S) bool, True behind a text's end."""
    kernel: torch.Tensor
    """Of `LocationLayer.kernel`."""


class Attention(nn.Module):
    """Location-sensitive attention: Chorowski et al., 2015, arXiv:1506.07503."""

    def __init__(self, config: Tacotron2Config) -> None:
        super().__init__()
        self.query_layer = linear(config.attention_rnn_size, config.attention_size, "tanh")
        self.memory_layer = linear(config.symbol_size, config.attention_size, "tanh")
        self.v = linear(config.attention_size, 1, "linear")
        self.location_layer = LocationLayer(config)

    def memory(self, encoded: torch.Tensor, outside: torch.Tensor) -> AttendedText:
        """Prepare what the steps have in common."""
        kernel = self.location_layer.kernel()
        return AttendedText(encoded, self.memory_layer(encoded), outside, kernel)

    def forward(
        self,
        hidden: torch.Tensor,
        memory: AttendedText,
        weights: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the context (B, symbol_size) and the new weights (B, S)."""
        location = self.location_layer(weights, memory.kernel)
        query = self.query_layer(hidden).unsqueeze(1)
        energies = self.v(torch.tanh(query + location + memory.keys)).squeeze(2)
        attention = torch.softmax(energies.masked_fill(memory.outside, float("-inf")), dim=1)
        return torch.bmm(attention.unsqueeze(1), memory.encoded).squeeze(1), attention


def linear(inputs: int, outputs: int, gain: str, bias: bool = False) -> nn.Linear:
    """Return a layer with the published initialization: Glorot's, by the gain of what follows."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight, nn.init.calculate_gain(gain))  # type: ignore[arg-type]
    return layer
