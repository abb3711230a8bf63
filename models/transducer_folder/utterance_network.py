"""Parakeet of transformers (CTC, RNN-T, TDT): heard at the end of each utterance.

Its encoder looks at a whole utterance, in both directions. So the sound of an utterance is kept,
and transformers' own `generate` reads it at its end: all transcripts are final ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.speech.blocks import BLOCK_VECTORS, Said, Step
from models.speech.voice_activity import BLOCK_FRAMES, BLOCK_SAMPLES
from models.transducer_folder.nemo_features import HOP, normalized
from models.transducer_folder.transformers_folder import Opened

Floats = npt.NDArray[np.float32]

#: Frames of 10 ms in one of the recognizer's vectors.
VECTOR_FRAMES = BLOCK_FRAMES // BLOCK_VECTORS


class UtteranceNetwork:
    """One of these models, with the interface of the recognizer's own network."""

    def __init__(self, opened: Opened) -> None:
        self._model, self._pieces, self._features = opened.model, opened.pieces, opened.features
        self._device = opened.device
        self.start: Floats = np.zeros(1, np.float32)
        """One number that says nothing: the sound is in the recognizer's vectors."""

    @property
    def width(self) -> int:
        """Of a stream's state."""
        return 1

    @property
    def joint_width(self) -> int:
        """Samples in each of a block's four vectors."""
        return BLOCK_SAMPLES // BLOCK_VECTORS

    @property
    def frame_width(self) -> int:
        """Samples in each of a block's 16 frames."""
        return HOP

    @property
    def symbols(self) -> tuple[str, ...]:
        """What each symbol adds to a text."""
        return self._pieces.texts

    @property
    def hears_at_end(self) -> bool:
        """Whether symbols come from `reread` alone."""
        return True

    def spectrograms(self, windows: Sequence[Floats]) -> list[Floats]:
        """Return the samples of each block, as 16 frames."""
        return block_samples(windows)

    def step(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        """Keep the blocks' samples."""
        return [
            Step(Said(), state, block.reshape(BLOCK_VECTORS, -1))
            for block, state in zip(blocks, states, strict=True)
        ]

    def finish(self, state: Floats) -> Said:
        """Return nothing: `reread` says all."""
        return Said()

    @torch.inference_mode()
    def reread(self, vectors: Sequence[Floats], width: int) -> Said:
        """Return what is said in an utterance: alone in its call, so that no neighbor matters."""
        samples = torch.from_numpy(np.concatenate(vectors).reshape(-1)).to(self._device)
        frames = normalized(self._features.whole(samples))
        symbols, at = generated(self._model, frames[None], self._pieces.blank)
        factor = int(self._model.config.encoder_config.subsampling_factor)
        return Said(symbols, tuple(frame * factor // VECTOR_FRAMES for frame in at))


def block_samples(windows: Sequence[Floats]) -> list[Floats]:
    """Return the samples of each block, as 16 frames of 10 ms."""
    return [window[:BLOCK_SAMPLES].reshape(BLOCK_FRAMES, HOP).copy() for window in windows]


def generated(
    model: Any, features: Tensor, blank: int, **options: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the symbols that transformers generates, and the encoder's frame of each.

    Args:
        model: of transformers.
        features: (1, T, F).
        blank: the symbol of no output.
        options: of `generate`.
    """
    if not hasattr(model.config, "blank_token_id"):
        return _collapsed(model.generate(features)[0].tolist(), blank)
    most = int(model.config.max_symbols_per_step)
    if durations := len(getattr(model.config, "durations", ())):
        # The logits of durations are behind those of symbols: `generate` takes one for a symbol
        # where it is the largest of all, and fails.
        first = int(model.config.vocab_size)
        options["suppress_tokens"] = list(range(first, first + durations))
    made = model.generate(
        features,
        decoder_start_token_id=blank,
        # Its own limit counts the start too, and so may cut the last symbol.
        max_new_tokens=(most + 1) * features.shape[1],
        **options,
    )
    # `sequences` begin with the start; `durations` are the frames that each symbol moves on.
    symbols, moves = made.sequences[0].tolist(), made.durations[0].tolist()
    ends = np.cumsum(moves).tolist()
    found = [
        (symbol, end - move)
        for symbol, move, end in zip(symbols, moves, ends, strict=True)
        if symbol != blank
    ]
    return tuple(symbol for symbol, _ in found), tuple(frame for _, frame in found)


def _collapsed(path: list[int], blank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the symbols of a CTC path, without repeats and blanks, and the frame of each."""
    found = [
        (symbol, frame)
        for frame, symbol in enumerate(path)
        if symbol != blank and (frame == 0 or path[frame - 1] != symbol)
    ]
    return tuple(symbol for symbol, _ in found), tuple(frame for _, frame in found)
