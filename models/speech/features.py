"""Log-mel spectrograms, the same in training and in serving, streamed and whole."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE_RATE_HZ = 16_000
#: 25 ms windows every 10 ms.
WINDOW, HOP = 400, 160
NUM_MELS = 80
_FFT = 512
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 7600.0
#: Added to the power before the logarithm: below the quantization noise of 16 bits.
_FLOOR = 1e-7
#: Bring the logarithms of speech to about mean 0 and deviation 1; measured once on clean speech.
_CENTER, _SPREAD = -7.0, 4.5


def num_frames(num_samples: int) -> int:
    """Return how many whole windows there are in so many samples."""
    return max(0, (num_samples - WINDOW) // HOP + 1)


def log_mel(samples: Tensor) -> Tensor:
    """Return the log-mel spectrogram of sound.

    A frame depends on its own 400 samples alone, so that pieces give the frames of the whole.

    Args:
        samples: (B, N) float32 in [-1, 1], 16 kHz, N >= 400.

    Returns:
        (B, T, 80) float32 with T = (N - 400) // 160 + 1; about mean 0 and deviation 1 in speech.
    """
    import torch

    windows = samples.unfold(-1, WINDOW, HOP) * torch.hann_window(WINDOW, device=samples.device)
    power = torch.fft.rfft(windows, _FFT).abs().square()
    mels = power @ torch.from_numpy(mel_filters()).to(samples.device)
    scaled: Tensor = ((mels + _FLOOR).log() - _CENTER) / _SPREAD
    return scaled


@lru_cache(maxsize=1)
def mel_filters() -> npt.NDArray[np.float32]:
    """Return triangular filters (257, 80), of equal width on the mel scale, each with peak 1.

    The scale: mel = 2595 log10(1 + f / 700) (O'Shaughnessy, 1987).
    """
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, _FFT // 2 + 1)
    ends = 2595 * np.log10(1 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700)
    corners = 700 * (10 ** (np.linspace(ends[0], ends[1], NUM_MELS + 2) / 2595) - 1)
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins[:, None] - low) / (middle - low)
    falling = (high - bins[:, None]) / (high - middle)
    filters: npt.NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return filters
