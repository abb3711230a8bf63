"""Blocks of 160 ms, the unit in which sound reaches the network, and what becomes of them.

Imports no torch, so that a worker without speech does not either.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.speech.features import HOP, WINDOW
from models.speech.voice_activity import BLOCK_FRAMES, BLOCK_SAMPLES

Floats = npt.NDArray[np.float32]

#: Frames of the spectrogram for one vector.
SUBSAMPLING = 4
#: Samples that a block's frames need: the last window reaches beyond the block.
BLOCK_WINDOW = BLOCK_SAMPLES + WINDOW - HOP
#: Vectors that the encoder makes of a block.
BLOCK_VECTORS = BLOCK_FRAMES // SUBSAMPLING


class Said(NamedTuple):
    """Letters, each with its vector's number in what was given, and its log-probability."""

    symbols: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()


class Step(NamedTuple):
    """What became of one stream's block."""

    said: Said
    state: Floats
    """After the block, as `SpeechNetwork.start`."""
    vectors: Floats
    """(4, J) the encoder's, in the joint space: for a search that reads them again."""
