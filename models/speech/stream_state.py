"""What is known of one stream of sound between two of its chunks; nothing here is ever changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from models.audio.resample import Resampling
from models.speech.blocks import BLOCK_VECTORS, Said, Step
from models.speech.voice_activity import BLOCK_SAMPLES, Activity
from schemas import SpokenWord, Transcript, TranscriptNote

Floats = npt.NDArray[np.float32]

#: The time of one of the encoder's vectors, and of a block.
_VECTOR_MS, _BLOCK_MS, _SAMPLES_A_MS = 40, 160, 16
#: Silent blocks that are kept back, and belong to the utterance that follows.
_LEAD_BLOCKS = 2


def _none() -> Floats:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Ear:
    """What taking in sound needs: order, sample rate, samples that make no whole block yet."""

    num_chunks: int = 0
    next_sequence: int = -1
    """The number that the next chunk should have; -1: the producer does not count."""
    resampling: Resampling | None = None
    """Of the sample rate that the last chunk had; None before the first sound."""
    pending: Floats = field(default_factory=_none)
    """Samples at 16 kHz after the last whole block."""


@dataclass(frozen=True)
class Mind:
    """What understanding needs: the open utterance, and the network's state in it."""

    network: Floats
    """(D,) as `SpeechNetwork.start` between utterances."""
    num_blocks: int = 0
    """Blocks heard since the start of the stream."""
    activity: Activity = field(default_factory=Activity)
    lead: tuple[Floats, ...] = ()
    """Spectrograms (16, 80) of the last silent blocks: an utterance starts with them."""
    utterance: int = 0
    """The number of the utterance that is open or comes next."""
    first_block: int = 0
    """The block with which the open utterance starts."""
    num_vectors: int = 0
    """Vectors of the open utterance."""
    said: Said = field(default_factory=Said)
    """In the open utterance; frames count from its first vector."""
    vectors: tuple[Floats, ...] = ()
    """(4, J) of each block of the open utterance, if they are read again at its end."""

    def held_back(self, spectrogram: Floats, activity: Activity) -> Mind:
        """Return it after a silent block between utterances."""
        lead = (*self.lead, spectrogram)[-_LEAD_BLOCKS:]
        return replace(self, num_blocks=self.num_blocks + 1, activity=activity, lead=lead)

    def opened(self, start: Floats) -> Mind:
        """Return it with an open utterance that begins with what was held back."""
        first = self.num_blocks - len(self.lead)
        return replace(self, network=start, first_block=first)

    def after_step(self, step: Step, keeps_vectors: bool) -> Mind:
        """Return it after the network heard a block of the open utterance."""
        return replace(
            self.with_said(step.said),
            network=step.state,
            num_vectors=self.num_vectors + BLOCK_VECTORS,
            vectors=(*self.vectors, step.vectors) if keeps_vectors else (),
        )

    def with_said(self, said: Said) -> Mind:
        """Return it with more letters; their frames count from the vector that comes next."""
        if not said.symbols:
            return self
        frames = tuple(self.num_vectors + frame for frame in said.frames)
        symbols, log_probs = said.symbols, said.log_probs
        return replace(
            self,
            said=Said(
                self.said.symbols + symbols,
                self.said.frames + frames,
                self.said.log_probs + log_probs,
            ),
        )

    def closed(self, start: Floats) -> Mind:
        """Return it with the next utterance to come."""
        return Mind(
            start,
            num_blocks=self.num_blocks,
            activity=Activity(self.activity.floor_db),
            utterance=self.utterance + 1,
        )


@dataclass(frozen=True)
class StreamState:
    """One stream."""

    ear: Ear
    mind: Mind


def transcript(
    mind: Mind, ear: Ear, symbols: Sequence[str], notes: list[TranscriptNote], *, is_final: bool
) -> Transcript:
    """Return what is said in the open utterance of a stream.

    Args:
        mind: of the stream.
        ear: of the stream, after the chunk.
        symbols: the text of each symbol.
        notes: about the chunk.
        is_final: whether the utterance has ended.
    """
    words = _words(mind.said, symbols, mind.first_block * _BLOCK_MS)
    log_probs = mind.said.log_probs
    return Transcript(
        utterance=mind.utterance,
        is_final=is_final,
        text=" ".join(word.word for word in words),
        words=words,
        heard_ms=(mind.num_blocks * BLOCK_SAMPLES + len(ear.pending)) // _SAMPLES_A_MS,
        # Rounded, so that results do not differ in the last digits from processor to processor.
        score=round(float(np.exp(np.mean(log_probs))), 4) if log_probs else None,
        notes=notes,
    )


def _words(said: Said, symbols: Sequence[str], start_ms: int) -> list[SpokenWord]:
    words: list[SpokenWord] = []
    letters, first, last = "", 0, 0
    spelled = [
        (letter, frame)
        for symbol, frame in zip(said.symbols, said.frames, strict=True)
        for letter in symbols[symbol]
    ]
    for letter, frame in [*spelled, (" ", 0)]:
        if letter != " ":
            first = frame if not letters else first
            letters, last = letters + letter, frame
        elif letters:
            start, end = (start_ms + at * _VECTOR_MS for at in (first, last + 1))
            words.append(SpokenWord(letters, start, end))
            letters = ""
    return words
