"""Spoken sentences: who says what, made by programs from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.speech.grammar import held_out_sentences, training_sentences
from models.speech.voices import UNSEEN, Samples, Voice, seen_voice, speak

#: Seeds of sentences, apart from those of training: to choose by, and to judge by.
CHOICE_SEED, JUDGE_SEED = 1_000_001, 1_000_002


class Spoken(NamedTuple):
    """A sentence and the voice that says it."""

    text: str
    voice: Voice

    def samples(self) -> Samples:
        """Return it as sound, 16 kHz.

        Raises:
            ModelError: the voice's program is absent or failed.
        """
        return speak(self.text, self.voice)


def to_train_on(seed: int, number: int) -> list[Spoken]:
    """Return sentences that are not held out, each by a random voice of those to train on."""
    source = random.Random(seed)
    return [Spoken(text, seen_voice(source)) for text in training_sentences(seed, number)]


def to_judge(seed: int, number: int, *, unseen: bool) -> list[Spoken]:
    """Return held-out sentences, by voices to train on or by the voice that no training hears."""
    source = random.Random(seed)
    return [
        Spoken(text, source.choice(UNSEEN) if unseen else seen_voice(source))
        for text in held_out_sentences(seed, number)
    ]


@dataclass(frozen=True)
class Recordings:
    """The sound of many sentences, one behind the other."""

    samples: npt.NDArray[np.int16]
    ends: npt.NDArray[np.int64]
    """(n,) where each sentence ends in `samples`."""

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> npt.NDArray[np.int16]:
        start = int(self.ends[row - 1]) if row else 0
        return self.samples[start : int(self.ends[row])]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) samples of each sentence."""
        return np.diff(self.ends, prepend=0)

    @staticmethod
    def of(parts: Sequence[npt.NDArray[np.int16]]) -> Recordings:
        """Put sentences behind each other."""
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return Recordings(np.concatenate(parts), ends)
