"""Sentences with their frames, as padded batches to train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Rows = npt.NDArray[np.int64]
#: How many frames a length may differ by when similar sentences are put in one step.
_LENGTH_NOISE = 20.0


class Corpus:
    """Sentences and how they sound."""

    def __init__(
        self,
        symbols: Sequence[Sequence[int]],
        frames: npt.NDArray[np.float16],
        frames_per_step: int,
        silence: float,
    ) -> None:
        """Keep n sentences.

        Args:
            symbols: of each.
            frames: (n, 1 + T, num_mels), as `fill_frames` writes them.
            frames_per_step: of the decoder.
            silence: value of frames without sound.
        """
        self._symbols, self._frames = symbols, frames
        self._per_step, self._silence = frames_per_step, silence
        self._num_frames = np.asarray(frames[:, 0, 0], np.int64)

    def alike(self, rows: Rows, first: int, count: int, chance: np.random.Generator) -> Rows:
        """Return `count` of `rows`, of about the length of the one at `first`."""
        lengths = self._num_frames[rows] + chance.normal(0, _LENGTH_NOISE, len(rows))
        order = np.argsort(lengths, kind="stable")
        place = int(np.flatnonzero(order == first)[0]) - int(chance.integers(count))
        place = min(max(place, 0), len(rows) - count)
        return rows[order[place : place + count]]

    def batch(self, rows: Rows) -> Batch:
        """Return padded tensors."""
        import torch

        symbols = [self._symbols[row] for row in rows]
        num_frames = -(-self._num_frames[rows] // self._per_step) * self._per_step
        frames = np.zeros((len(rows), int(num_frames.max()), self._frames.shape[2]), np.float32)
        padded = np.zeros((len(rows), max(map(len, symbols))), np.int64)
        for i, row in enumerate(rows):
            count = self._num_frames[row]
            frames[i, :count] = self._frames[row, 1 : 1 + count]
            frames[i, count:] = self._silence
            padded[i, : len(symbols[i])] = symbols[i]
        return Batch(
            torch.from_numpy(padded),
            torch.tensor([len(some) for some in symbols]),
            torch.from_numpy(frames).transpose(1, 2),
            torch.from_numpy(num_frames),
        )


class Batch(NamedTuple):
    """The arguments of the network."""

    symbols: torch.Tensor
    num_symbols: torch.Tensor
    frames: torch.Tensor
    num_frames: torch.Tensor
