"""Log-mel frames as NeMo computes them: what Parakeet and Nemotron were trained on.

The same as transformers' feature extractors of these models, without librosa: pre-emphasis 0.97, a
Hann window of 25 ms every 10 ms in a transform of 512, Slaney's mel filters, the logarithm.
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
_EMPHASIS, _FLOOR, _EPSILON = 0.97, 2.0**-24, 1e-5

Floats = npt.NDArray[np.float32]


def nemo_fbank(samples: Tensor, num_mels: int, *, normalize: bool) -> Tensor:
    """Return the log-mel frames of one whole utterance.

    Args:
        samples: (N,) float32 in [-1, 1], 16 kHz, N >= 320.
        num_mels: filters.
        normalize: whether each mel is brought to mean 0 and deviation 1 over the utterance.

    Returns:
        (N // 160, num_mels) float32.
    """
    import torch

    sharp = torch.cat([samples[:1], samples[1:] - _EMPHASIS * samples[:-1]])
    window = torch.hann_window(WINDOW, periodic=False)
    spectrum = torch.stft(
        sharp, _FFT, HOP, WINDOW, window, center=True, pad_mode="constant", return_complex=True
    )
    mels = torch.from_numpy(_slaney_filters(num_mels)) @ spectrum.abs().square()
    frames = (mels + _FLOOR).log().T[: len(samples) // HOP]
    if not normalize:
        return frames.contiguous()
    deviation = frames.std(0, correction=1)
    return (frames - frames.mean(0)) / (deviation + _EPSILON)


@lru_cache(maxsize=4)
def _slaney_filters(num_mels: int) -> Floats:
    """Return triangles of equal area on Slaney's mel scale, (num_mels, 257), from 0 to 8000 Hz.

    The scale is linear below 1 kHz and logarithmic above (Slaney, 1998, "Auditory Toolbox").
    """
    edges = _hz(np.linspace(0, _mel(SAMPLE_RATE_HZ / 2), num_mels + 2))
    bins = np.arange(_FFT // 2 + 1) * SAMPLE_RATE_HZ / _FFT
    low, middle, high = (edges[i : num_mels + i, None] for i in range(3))
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    weights = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    filters: Floats = weights.astype(np.float32)
    return filters


_LINEAR_HZ, _BREAK_HZ, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _mel(hz: float) -> float:
    """Return the mel of a frequency above 1 kHz."""
    return float(_BREAK_HZ / _LINEAR_HZ + np.log(hz / _BREAK_HZ) / _STEP)


def _hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    first = _BREAK_HZ / _LINEAR_HZ
    curved = _BREAK_HZ * np.exp(_STEP * (mels - first))
    return np.where(mels < first, _LINEAR_HZ * mels, curved)
