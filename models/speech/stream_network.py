"""What the recognizer needs of a network: its own has it, and readers of public checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from models.speech.blocks import Said, Step

Floats = npt.NDArray[np.float32]


class StreamNetwork(Protocol):
    """A transducer for speech whose streams are rows of numbers."""

    start: Floats
    """(D,) the state of a stream before any block. Not to be changed."""

    @property
    def width(self) -> int:
        """D, the numbers in a stream's state."""

    @property
    def joint_width(self) -> int:
        """J, the numbers in each of the four vectors of a block."""

    @property
    def frame_width(self) -> int:
        """F, the numbers in each of the 16 frames of a block."""

    @property
    def symbols(self) -> Sequence[str]:
        """What each symbol adds to a text; words are separated by a blank."""

    @property
    def hears_at_end(self) -> bool:
        """Whether symbols come from `reread` alone, at the end of an utterance."""

    def spectrograms(self, windows: Sequence[Floats]) -> list[Floats]:
        """Return the frames (16, F) of each window of `BLOCK_WINDOW` samples."""

    def step(self, blocks: Sequence[Floats], states: Sequence[Floats]) -> list[Step]:
        """Hear one block of each stream."""

    def finish(self, state: Floats) -> Said:
        """Return what is said in sound of an utterance that waits for more; frames may be below 0.

        The utterance has ended, so no more comes. Frames count from the vector that would be next.
        """

    def reread(self, vectors: Sequence[Floats], width: int) -> Said:
        """Return what is said in a whole utterance, of which each block gave vectors (4, J)."""
