"""Decode a chunk of sound into samples of one channel, within limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.audio.compressed import decode_compressed
from models.audio.wav import open_wav, wav_samples
from schemas import AudioChunk, SchemaError, TooLargeError
from schemas.audio import SAMPLE_BYTES

Floats = npt.NDArray[np.float32]

#: At or above this a sample counts as clipped: one step of 16 bits below full scale.
_FULL_SCALE = 32766 / 32768


class Sound(NamedTuple):
    """Samples of one channel."""

    samples: Floats
    """(n,) float32 in [-1, 1]."""
    sample_rate_hz: int
    num_channels: int
    """Of the chunk; several were averaged."""
    num_clipped: int
    """Samples at full scale, over all channels."""
    num_missing: int = 0
    """Samples of each channel that a file says it has, but has not."""


def decode_audio(chunk: AudioChunk, max_seconds: float) -> Sound:
    """Decode a chunk.

    Args:
        chunk: with sound, or empty at the end of a stream.
        max_seconds: of sound; checked before anything is decoded where the size says it.

    Raises:
        DecodeError: a file is damaged or of a kind that is not read.
        TooLargeError: it is longer.
        SchemaError: a sample is not a finite number.
    """
    if not chunk.audio:
        return Sound(np.zeros(0, np.float32), chunk.sample_rate_hz, chunk.num_channels, 0)
    samples, rate, num_missing = _samples(chunk, max_seconds)
    _require_length(len(samples), rate, max_seconds)
    if not np.isfinite(samples).all():
        raise SchemaError("a sample is not a finite number")
    num_clipped = int(np.count_nonzero(np.abs(samples) >= _FULL_SCALE))
    mixed = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    return Sound(np.clip(mixed, -1, 1), rate, samples.shape[1], num_clipped, num_missing)


def _samples(chunk: AudioChunk, max_seconds: float) -> tuple[Floats, int, int]:
    """Return (n, channels), the samples a second, and how many samples a file lacks."""
    if chunk.encoding == "wav":
        file = open_wav(chunk.audio)
        _require_length(file.num_samples, file.sample_rate_hz, max_seconds)
        return wav_samples(file), file.sample_rate_hz, file.num_missing
    if chunk.encoding in ("flac", "opus"):
        return *decode_compressed(chunk.audio, chunk.encoding, max_seconds), 0
    width = SAMPLE_BYTES[chunk.encoding] * chunk.num_channels
    _require_length(len(chunk.audio) // width, chunk.sample_rate_hz, max_seconds)
    if chunk.encoding == "s16le":
        bare = (np.frombuffer(chunk.audio, "<i2").astype(np.float32) / 32768).astype(np.float32)
    else:
        bare = np.frombuffer(chunk.audio, "<f4").astype(np.float32)
    return bare.reshape(-1, chunk.num_channels), chunk.sample_rate_hz, 0


def _require_length(num_samples: int, rate: int, max_seconds: float) -> None:
    """Check the duration.

    Raises:
        TooLargeError: it is longer.
    """
    if num_samples > max_seconds * rate:
        raise TooLargeError(
            f"the chunk has {num_samples / rate:,.1f} seconds of sound: max_chunk_seconds is "
            f"{max_seconds:g}: send it in pieces"
        )
