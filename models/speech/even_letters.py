"""Where the letters of a sentence are, if all take the same time: the first guess of training.

A network that has to find words and their places at once stays for thousands of steps at the
letters' frequencies. After some hundred steps with letters at even places it goes on alone: the
flat start of hidden Markov models (Young et al., "The HTK Book", section 3.2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.speech.alphabet import encode_text
from models.speech.blocks import SUBSAMPLING
from models.speech.features import HOP

#: A letter is asked for so many vectors later: a causal encoder has to hear it first.
_DELAY = 3
#: Quieter than the loudest part by this ratio is silence.
_SILENCE = 0.01


def spread_letters(sound: npt.NDArray[np.float32], text: str) -> npt.NDArray[np.int64]:
    """Return the symbol for each vector of the encoder; -1 where none is asked for.

    Args:
        sound: (n,) float32 in [-1, 1], 16 kHz, without noise.
        text: what is said, at least one symbol.

    Returns:
        (t,) int64; the last letter's end plus a delay.
    """
    size = SUBSAMPLING * HOP
    loudness = np.abs(sound[: len(sound) // size * size].reshape(-1, size)).max(1)
    if not len(loudness):
        return np.zeros(0, np.int64)
    speech = np.flatnonzero(loudness >= _SILENCE * loudness.max())
    first, last = int(speech[0]), int(speech[-1])
    symbols = np.array(encode_text(text))
    count = last - first + 1
    spread = np.full(first + _DELAY + count, -1)
    spread[first + _DELAY :] = symbols[np.arange(count) * len(symbols) // count]
    return spread
