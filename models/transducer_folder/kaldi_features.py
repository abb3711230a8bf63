"""Log-mel frames as Kaldi computes them: what icefall's and sherpa-onnx's models were trained on.

Source: Povey et al., 2011, "The Kaldi Speech Recognition Toolkit"; `feature-window.cc` and
`mel-computations.cc`. The options are sherpa-onnx's: no dither, a Povey window of 25 ms every
10 ms, pre-emphasis 0.97, filters from 20 Hz to 400 Hz below half of the sample rate.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE_RATE_HZ = 16_000
WINDOW, HOP = 400, 160
_FFT = 512
_EMPHASIS = 0.97
_LOWEST_HZ, _HIGHEST_HZ = 20.0, 7600.0
#: Kaldi takes the logarithm of no less than single precision's epsilon.
_FLOOR = float(np.finfo(np.float32).eps)

Floats = npt.NDArray[np.float32]


def kaldi_fbank(samples: Tensor, num_mels: int = 80) -> Tensor:
    """Return the log-mel frames of sound.

    A frame depends on its own 400 samples alone, as with Kaldi's `snip-edges`.

    Args:
        samples: (B, N) float32 in [-1, 1], 16 kHz, N >= 400.
        num_mels: filters.

    Returns:
        (B, T, num_mels) float32 with T = (N - 400) // 160 + 1.
    """
    import torch

    frames = samples.unfold(-1, WINDOW, HOP)
    frames = frames - frames.mean(-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], -1)
    windowed = (frames - _EMPHASIS * before) * torch.from_numpy(_povey_window())
    power = torch.fft.rfft(windowed, _FFT).abs().square()
    mels = power @ torch.from_numpy(_filters(num_mels))
    logs: torch.Tensor = mels.clamp(min=_FLOOR).log()
    return logs


@lru_cache(maxsize=1)
def _povey_window() -> Floats:
    window: Floats = (np.hanning(WINDOW) ** 0.85).astype(np.float32)
    return window


@lru_cache(maxsize=4)
def _filters(num_mels: int) -> Floats:
    """Return triangles on the mel scale, (257, num_mels); the highest frequency has no weight."""
    mel = 1127 * np.log(1 + np.arange(_FFT // 2 + 1) * SAMPLE_RATE_HZ / _FFT / 700)
    ends = 1127 * np.log(1 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700)
    corners = np.linspace(ends[0], ends[1], num_mels + 2)
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (mel[:, None] - low) / (middle - low)
    falling = (high - mel[:, None]) / (high - middle)
    filters: Floats = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters[-1] = 0
    return filters
