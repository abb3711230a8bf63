"""From a chunk of sound to blocks of a stream: order, rate, channels, and what to note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from models.audio.decode import Sound, decode_audio
from models.audio.resample import HIGHEST_HZ, LOWEST_HZ, Resampling, resample
from models.speech.blocks import BLOCK_WINDOW
from models.speech.features import SAMPLE_RATE_HZ
from models.speech.stream_state import Ear
from models.speech.voice_activity import BLOCK_SAMPLES
from schemas import AudioChunk, SchemaError, TranscriptNote

Floats = npt.NDArray[np.float32]

#: Silence after the end of a stream, so that its last letters come out: three blocks.
_END_BLOCKS = 3
#: A chunk with a number this far behind is no late one: its producer has started again.
_LATEST = 16
#: Fewer samples at full scale than this share of a chunk are not worth a note.
_CLIPPED_SHARE = 0.001


@dataclass(frozen=True)
class HearingRules:
    """What sound is accepted."""

    max_chunk_seconds: float
    resamples: bool
    """Whether another sample rate than 16 kHz is converted, or refused."""
    mixes: bool
    """Whether several channels are averaged, or refused."""


class Heard(NamedTuple):
    """What a chunk brings to its stream."""

    ear: Ear
    """After the chunk."""
    windows: Sequence[Floats]
    """The samples (2800,) of each new block, with the 240 that follow it."""
    notes: list[TranscriptNote]
    restarts: bool = False
    """Whether the chunk begins a new stream, although the last one did not end."""


def hear(ear: Ear, chunk: AudioChunk, rules: HearingRules) -> Heard:
    """Take in a chunk.

    Raises:
        InputError: it can't be decoded, is too long, or is refused by the rules.
    """
    notes, order = _order(ear, chunk.sequence)
    if order == "repeat":  # heard before, or too late: it is not heard again
        return Heard(replace(ear, num_chunks=ear.num_chunks + 1), (), notes)
    before = Ear() if order == "restart" else ear
    sound = decode_audio(chunk, rules.max_chunk_seconds)
    _require_allowed(sound, chunk, rules)
    samples, resampling = _at_model_rate(before, sound, chunk.is_end)
    notes += _sound_notes(sound, chunk)
    pending = np.concatenate([before.pending, samples])
    if chunk.is_end:
        pending = _with_end(pending)
    count = max(0, (len(pending) - (BLOCK_WINDOW - BLOCK_SAMPLES)) // BLOCK_SAMPLES)
    windows = [pending[at * BLOCK_SAMPLES :][:BLOCK_WINDOW] for at in range(count)]
    after = Ear(
        num_chunks=before.num_chunks + 1,
        next_sequence=chunk.sequence + 1 if chunk.sequence >= 0 else -1,
        resampling=resampling,
        pending=pending[count * BLOCK_SAMPLES :].copy(),
    )
    return Heard(after, windows, notes, order == "restart")


def _order(
    ear: Ear, sequence: int
) -> tuple[list[TranscriptNote], Literal["next", "repeat", "restart"]]:
    """Return what the chunk's number says."""
    if sequence < 0:
        return [], "next"
    if not ear.num_chunks:
        return [TranscriptNote("joined_late", sequence)] if sequence else [], "next"
    if ear.next_sequence < 0 or sequence == ear.next_sequence:
        return [], "next"
    if sequence > ear.next_sequence:
        return [TranscriptNote("gap", sequence - ear.next_sequence)], "next"
    if ear.next_sequence - sequence > _LATEST:
        return [TranscriptNote("restart", sequence)], "restart"
    return [TranscriptNote("repeat", 1)], "repeat"


def _require_allowed(sound: Sound, chunk: AudioChunk, rules: HearingRules) -> None:
    if not chunk.audio:
        return
    rate = sound.sample_rate_hz
    if rate != SAMPLE_RATE_HZ and not rules.resamples:
        raise SchemaError(
            f"the sound has {rate} samples a second: this agent takes {SAMPLE_RATE_HZ} only "
            "(option resample)"
        )
    if not LOWEST_HZ <= rate <= HIGHEST_HZ:
        raise SchemaError(
            f"the sound has {rate} samples a second: expected {LOWEST_HZ} to {HIGHEST_HZ}"
        )
    if sound.num_channels > 1 and not rules.mixes:
        raise SchemaError(
            f"the sound has {sound.num_channels} channels: this agent takes one only (option mix)"
        )


def _sound_notes(sound: Sound, chunk: AudioChunk) -> list[TranscriptNote]:
    notes: list[TranscriptNote] = []
    if not chunk.audio:
        return notes
    if sound.num_clipped > _CLIPPED_SHARE * len(sound.samples) * sound.num_channels:
        notes.append(TranscriptNote("clipping", sound.num_clipped))
    if sound.num_missing:
        notes.append(TranscriptNote("truncated", sound.num_missing))
    if sound.sample_rate_hz != SAMPLE_RATE_HZ:
        notes.append(TranscriptNote("resampled", sound.sample_rate_hz))
    if sound.num_channels > 1:
        notes.append(TranscriptNote("mixed", sound.num_channels))
    return notes


def _at_model_rate(ear: Ear, sound: Sound, is_end: bool) -> tuple[Floats, Resampling | None]:
    """Return the samples at 16 kHz, and the conversion's state after them."""
    resampling, parts = ear.resampling, list[Floats]()
    if len(sound.samples):
        rate = sound.sample_rate_hz
        if resampling is not None and resampling.rate_hz != rate:
            parts.append(_rest(resampling))
            resampling = None
        resampling = resampling or Resampling.start(rate, SAMPLE_RATE_HZ)
        made, resampling = resample(resampling, sound.samples, SAMPLE_RATE_HZ)
        parts.append(made)
    if is_end and resampling is not None:
        parts.append(_rest(resampling))
    return np.concatenate([np.zeros(0, np.float32), *parts]), resampling


def _rest(resampling: Resampling) -> Floats:
    """Return the last samples of a conversion, which wait for what follows."""
    silence = np.zeros(len(resampling.tail), np.float32)
    made, _ = resample(resampling, silence, SAMPLE_RATE_HZ)
    return made


def _with_end(pending: Floats) -> Floats:
    """Return the last samples with silence up to a whole block, and some blocks more."""
    overlap = BLOCK_WINDOW - BLOCK_SAMPLES
    missing = -(len(pending) - overlap) % BLOCK_SAMPLES
    return np.pad(pending, (0, missing + _END_BLOCKS * BLOCK_SAMPLES))
