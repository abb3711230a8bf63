"""A voice: a Tacotron 2 checkpoint that speaks sentences, in batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.synthesis.attention_check import check_reading, step_limit
from models.synthesis.griffin_lim import griffin_lim
from models.synthesis.mel import AudioFormat, magnitudes

if TYPE_CHECKING:
    import torch

    from models.synthesis.tacotron2 import Tacotron2

#: The decoder always works on so many rows of a multiple of so many symbols: products of matrices
#: of one shape add up in one order, so a text sounds the same to the last bit beside any others.
#: One row: without AVX-512, the rows of one product add up in several orders.
_ROWS, _SYMBOLS = 1, 32
#: Of weights that are broken.
_NO_SOUND = "the network gave no numbers: silence instead"
#: Turns of Griffin-Lim.
_TURNS = 32

Samples = npt.NDArray[np.float32]
Symbols = Sequence[int]


@dataclass(frozen=True)
class SpokenSentence:
    """One sentence as sound."""

    samples: Samples
    """(n,) in [-1, 1]."""
    faults: tuple[str, ...]
    """What is wrong with it: see `Reading`."""
    alignment: npt.NDArray[np.float32]
    """(steps, S): the attention of each step over the symbols."""


class Voice:
    """Speaks sentences with the networks of one checkpoint."""

    def __init__(
        self, network: Tacotron2, audio: AudioFormat, device: str = "cpu", seed: int = 0
    ) -> None:
        """Move the network to the device.

        Args:
            network: in evaluation mode.
            audio: the format of its frames.
            device: `cpu` or `cuda:N`.
            seed: of the pre-net's dropout.
        """
        self.audio = audio
        self._network, self._device, self._seed = network.to(device), device, seed
        self._step_frames = network.config.frames_per_step
        self._step_seconds = self._step_frames * audio.hop_size / audio.sample_rate

    def speak(self, sentences: Sequence[Symbols]) -> list[SpokenSentence]:
        """Return each sentence, in order.

        A sentence does not depend on those beside it. Memory is that of one sentence at a time.

        Args:
            sentences: symbols of each, at least one.
        """
        import torch

        spoken: dict[int, SpokenSentence] = {}
        with torch.inference_mode():
            for rows, size in _passes(sentences):
                results = self._speak_some([sentences[row] for row in rows], size)
                spoken.update(zip(rows, results, strict=True))
        return [spoken[row] for row in range(len(sentences))]

    def _speak_some(self, sentences: list[Symbols], size: int) -> Iterator[SpokenSentence]:
        """Speak up to `_ROWS` sentences of up to `size` symbols."""
        import torch

        limits = torch.zeros(_ROWS, dtype=torch.int64)
        outside = torch.ones(_ROWS, size, dtype=torch.bool)
        outside[:, 0] = False  # a row without a text attends to something
        memory = torch.zeros(_ROWS, size, self._network.config.symbol_size)
        memory, outside = memory.to(self._device), outside.to(self._device)
        for row, symbols in enumerate(sentences):
            limits[row] = step_limit(len(symbols), self._step_seconds)
            outside[row, : len(symbols)] = False
            encoded = self._network.encode(torch.tensor(symbols, device=self._device))
            memory[row, : len(symbols)] = encoded
        spoken = self._network.decoder.speak(memory, outside, limits.to(self._device), self._seed)
        for row, symbols in enumerate(sentences):
            num_steps = int(spoken.num_steps[row])
            alignment = spoken.alignments[row, :num_steps, : len(symbols)].cpu().numpy()
            reading = check_reading(alignment, bool(spoken.has_stopped[row]), self._step_seconds)
            frames = spoken.frames[row, :, : reading.num_steps * self._step_frames]
            samples, faults = self._samples(frames), reading.faults
            if not np.isfinite(samples).all():
                samples, faults = np.zeros_like(samples), (*faults, _NO_SOUND)
            yield SpokenSentence(samples, faults, alignment)

    def _samples(self, frames: torch.Tensor) -> Samples:
        """Return the sound of the decoder's frames (num_mels, T) of one sentence."""
        import torch

        finished = self._network.finish(frames)[None]
        num_frames = torch.tensor([frames.shape[1]], device=self._device)
        sound = griffin_lim(magnitudes(finished, self.audio), num_frames, self.audio, _TURNS)
        samples: Any = sound[0, : frames.shape[1] * self.audio.hop_size].clamp(-1, 1)
        return np.asarray(samples.cpu().numpy(), np.float32)


def _passes(sentences: Sequence[Symbols]) -> Iterator[tuple[list[int], int]]:
    """Yield rows of up to `_ROWS` sentences, and the padded number of symbols of each."""
    buckets: dict[int, list[int]] = defaultdict(list)
    for row, symbols in enumerate(sentences):
        buckets[-(-len(symbols) // _SYMBOLS) * _SYMBOLS].append(row)
    for size, rows in sorted(buckets.items()):
        for start in range(0, len(rows), _ROWS):
            yield rows[start : start + _ROWS], size
