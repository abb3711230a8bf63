"""An independent recognizer, to compare with and to judge voices by, and counts of its words."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.base import ModelError
from models.speech.grammar import as_jsgf
from schemas import SpokenAudio

#: What the recognizer's acoustic model was trained on.
_RATE = 16_000
#: States of the grammar that are followed at a time. With pocketsphinx's own 30,000, a sentence
#: that it does not understand takes minutes.
_MAX_ACTIVE = 3000


class Judge:
    """pocketsphinx with its US English model and the speech grammar (BSD licence)."""

    def __init__(self) -> None:
        """Load the recognizer.

        Raises:
            ModelError: the extra `eval` is not installed.
        """
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise ModelError(
                "pocketsphinx is not installed: pip install 'penstock[eval]'"
            ) from error
        with tempfile.TemporaryDirectory() as folder:
            grammar = Path(folder) / "sentences.gram"
            grammar.write_text(as_jsgf(), encoding="utf-8")
            self._decoder: Any = Decoder(
                samprate=_RATE, loglevel="FATAL", jsgf=str(grammar), maxhmmpf=_MAX_ACTIVE
            )

    def words(self, spoken: SpokenAudio) -> list[str]:
        """Return the words that are heard in s16le sound of one channel."""
        return self.hear(_at_rate(spoken))

    def hear(self, pcm: bytes) -> list[str]:
        """Return the words that are heard in s16le sound of one channel at 16 kHz."""
        decoder = self._decoder
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        heard = decoder.hyp()
        return heard.hypstr.split() if heard else []


def _at_rate(spoken: SpokenAudio) -> bytes:
    if spoken.sample_rate_hz == _RATE:
        return spoken.audio
    from scipy.signal import resample_poly

    divisor = int(np.gcd(_RATE, spoken.sample_rate_hz))
    samples = np.frombuffer(spoken.audio, "<i2").astype(np.float32)
    resampled = resample_poly(samples, _RATE // divisor, spoken.sample_rate_hz // divisor)
    pcm: bytes = np.clip(np.round(resampled), -32_768, 32_767).astype("<i2").tobytes()
    return pcm


def num_recognized(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return how many words of `said` are in `heard` in the same order, as many as possible."""
    best = [0] * (len(heard) + 1)
    for word in said:
        row = [0]
        for place, other in enumerate(heard):
            row.append(best[place] + 1 if word == other else max(best[place + 1], row[-1]))
        best = row
    return best[-1]


def num_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest words to replace, insert or remove: the word error rate's numerator."""
    costs = list(range(len(heard) + 1))
    for count, word in enumerate(said, 1):
        row = [count]
        for place, other in enumerate(heard):
            row.append(min(costs[place] + (word != other), costs[place + 1] + 1, row[-1] + 1))
        costs = row
    return costs[-1]
