"""Vary sound for training: pauses, speed and pitch, loudness, noise, tone and masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.speech.features import NUM_MELS, SAMPLE_RATE_HZ

Floats = npt.NDArray[np.float32]

#: Speed and pitch change together, as on a tape: other voices, other speeds.
_TAPE = (0.87, 1.15)
_LEAD_SECONDS, _TRAIL_SECONDS = (0.1, 0.6), (0.4, 0.8)
_GAIN_DB = (-22.0, 8.0)
_NOISE_CHANCE, _NOISE_DB = 0.7, (6.0, 40.0)
#: Exponents of the noise's power spectrum: 0 is white, 1 pink, 2 brown.
_NOISE_SLOPE = (0.0, 2.0)
#: Deviation of the tone curve, in units of the scaled log-mel: about 5 dB.
_TONE = 0.25
#: Masks (Park et al., 2019, "SpecAugment", arXiv:1904.08779), mild because the network is small.
_MAX_MELS, _MAX_FRAMES = 10, 8


def vary_sound(samples: npt.NDArray[np.int16], chance: np.random.Generator) -> Floats:
    """Return a sentence as another person in another room might have said it.

    Args:
        samples: (n,) int16, 16 kHz.
        chance: decides everything.

    Returns:
        (m,) float32 in [-1, 1].
    """
    sound = samples.astype(np.float32) / 32768
    places = np.arange(0, len(sound) - 1, chance.uniform(*_TAPE))
    sound = np.interp(places, np.arange(len(sound)), sound).astype(np.float32)
    before, after = (
        int(chance.uniform(*bounds) * SAMPLE_RATE_HZ) for bounds in (_LEAD_SECONDS, _TRAIL_SECONDS)
    )
    sound = np.pad(sound, (before, after))
    if chance.random() < _NOISE_CHANCE:
        power = float(np.square(sound[before:-after]).mean())
        ratio = 10 ** (-chance.uniform(*_NOISE_DB) / 10)
        sound = sound + colored_noise(len(sound), chance) * np.float32(np.sqrt(power * ratio))
    gain = 10 ** (chance.uniform(*_GAIN_DB) / 20)
    clipped: Floats = np.clip(sound * np.float32(gain), -1, 1)
    return clipped


def colored_noise(length: int, chance: np.random.Generator) -> Floats:
    """Return noise (length,) of power 1 whose spectrum falls with a random slope."""
    from scipy import fft

    whole = 1 << (length - 1).bit_length()  # a power of 2: its transform is quick
    spectrum = fft.rfft(chance.standard_normal(whole, np.float32))
    frequencies = np.maximum(np.arange(whole // 2 + 1, dtype=np.float32) / whole, 1e-3)
    shaped = spectrum * frequencies ** np.float32(-chance.uniform(*_NOISE_SLOPE) / 2)
    noise = fft.irfft(shaped, whole)[:length]
    scaled: Floats = (noise / np.sqrt(np.square(noise).mean() + 1e-12)).astype(np.float32)
    return scaled


def vary_features(num_frames: int, chance: np.random.Generator) -> tuple[Floats, Floats]:
    """Return what to add to a spectrogram and what to multiply it with.

    Args:
        num_frames: of the spectrogram.
        chance: decides everything.

    Returns:
        (80,) a tone curve, and (num_frames, 80) of 0 and 1: masks.
    """
    mels = np.linspace(0, np.pi, NUM_MELS)
    waves = np.arange(4)
    curve = (chance.normal(0, _TONE, 4) / (1 + waves / 2)) @ np.cos(waves[:, None] * mels)
    mask = np.ones((num_frames, NUM_MELS), np.float32)
    for _ in range(2):
        low = chance.integers(NUM_MELS)
        mask[:, low : low + chance.integers(_MAX_MELS + 1)] = 0
        first = chance.integers(num_frames)
        mask[first : first + chance.integers(_MAX_FRAMES + 1)] = 0
    return curve.astype(np.float32), mask
