"""What decoding needs of a transducer, and the symbols that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

#: The symbol "no more output at this frame", in everything that is trained here.
BLANK = 0


@dataclass(frozen=True)
class PredictionState:
    """A prediction network after the symbols so far: each row is one stream (or hypothesis)."""

    output: Tensor
    """(B, J) float: its output, in the joint space."""
    memory: tuple[Tensor, ...]
    """Each (L, B, ...), streams in dimension 1: hidden and cell of an LSTM, or the last symbols."""

    def __len__(self) -> int:
        return len(self.output)

    def select(self, rows: Tensor) -> PredictionState:
        """Return these rows, copied. A row may be selected several times."""
        return PredictionState(
            self.output[rows], tuple(part.index_select(1, rows) for part in self.memory)
        )

    def replace(self, rows: Tensor, others: PredictionState) -> PredictionState:
        """Return a copy in which `rows` are those of `others`."""
        return PredictionState(
            self.output.index_copy(0, rows, others.output),
            tuple(
                part.index_copy(1, rows, other)
                for part, other in zip(self.memory, others.memory, strict=True)
            ),
        )

    @staticmethod
    def join(states: Sequence[PredictionState]) -> PredictionState:
        """Put the rows of several states together, in order; at least one state."""
        return PredictionState(
            torch.cat([state.output for state in states]),
            tuple(
                torch.cat(parts, 1)
                for parts in zip(*(state.memory for state in states), strict=True)
            ),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, for a snapshot."""
        return {"output": self.output} | {
            f"memory.{number}": part for number, part in enumerate(self.memory)
        }

    @staticmethod
    def of_tensors(tensors: dict[str, Tensor]) -> PredictionState:
        """Undo `tensors`; other names are ignored."""
        count = sum(name.startswith("memory.") for name in tensors)
        return PredictionState(
            tensors["output"], tuple(tensors[f"memory.{number}"] for number in range(count))
        )


class Decoder(Protocol):
    """A transducer without its encoder. `Transducer` is one; a reader of ONNX files another."""

    @property
    def blank(self) -> int:
        """The symbol that ends a frame."""

    def start(self, count: int) -> PredictionState:
        """Return the state of `count` streams before any symbol."""

    def advance(self, symbols: Tensor, state: PredictionState) -> PredictionState:
        """Return the state after one more symbol of each row, (B,) int64."""

    def joint(self, frames: Tensor, output: Tensor) -> Tensor:
        """Return logits (B, T, V) of frames (B, T, J) after predictions (B, J)."""


@dataclass
class Emissions:
    """The symbols that decoding gave for one stream, in order."""

    symbols: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    """At which frame each came, counted from the first frame of the stream."""
    log_probs: list[float] = field(default_factory=list)
    """Of each, <= 0, in nats, given the symbols before."""

    def append(self, symbol: int, frame: int, log_prob: float) -> None:
        """Add one symbol."""
        self.symbols.append(symbol)
        self.frames.append(frame)
        self.log_probs.append(log_prob)

    def extend(self, others: Emissions) -> None:
        """Add those of a later chunk."""
        self.symbols += others.symbols
        self.frames += others.frames
        self.log_probs += others.log_probs
