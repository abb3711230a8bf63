"""Log-mel frames as NeMo computes them: what Parakeet and Nemotron were trained on.

The same numbers as transformers' feature extractors of these models, which need librosa, a package
that is not needed for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.vision.folder_config import read_json

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE_RATE_HZ, HOP = 16_000, 160
#: Both are transformers' (`feature_extraction_parakeet.py`).
_FLOOR, _EPSILON = 2.0**-24, 1e-5
_MAX_FFT, _MAX_MELS = 4096, 512

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NemoFeatures:
    """How sound becomes frames; the defaults are those of transformers."""

    num_mels: int = 80
    fft: int = 512
    window: int = 400
    emphasis: float = 0.97

    @property
    def reach(self) -> int:
        """Samples before and after the middle of a frame that belong to it."""
        return self.window // 2

    def sharpen(self, samples: Tensor, before: float = 0.0) -> Tensor:
        """Return samples (N,) less a part of the one before each (pre-emphasis)."""
        import torch

        shifted = torch.cat([samples.new_tensor([before]), samples[:-1]])
        return samples - self.emphasis * shifted

    def frames(self, sharp: Tensor) -> Tensor:
        """Return the frames (T, num_mels) of sharpened samples (window + 160 (T - 1),)."""
        import torch

        windows = sharp.unfold(0, self.window, HOP)
        shape = torch.hann_window(self.window, periodic=False, device=sharp.device)
        power = torch.fft.rfft(windows * shape, self.fft).abs().square()
        filters = torch.from_numpy(_slaney_filters(self.num_mels, self.fft)).to(sharp.device)
        logs: Tensor = (power @ filters + _FLOOR).log()
        return logs

    def whole(self, samples: Tensor) -> Tensor:
        """Return the N // 160 frames of a whole sound, with silence before and after it."""
        import torch

        around = torch.nn.functional.pad(self.sharpen(samples), (self.reach, self.reach))
        return self.frames(around)[: len(samples) // HOP]


def normalized(frames: Tensor) -> Tensor:
    """Return frames (T, F) with mean 0 and deviation 1 of each mel over all frames, T > 1."""
    deviation = frames.std(0, correction=1)
    return (frames - frames.mean(0)) / (deviation + _EPSILON)


def read_features(folder: Path, num_mels: int) -> NemoFeatures:
    """Return what preprocessor_config.json or processor_config.json of a folder says.

    Args:
        folder: without either file: the defaults.
        num_mels: that the encoder takes.

    Raises:
        ModelError: features that do not fit the encoder, or another sample rate or hop.
    """
    config = _preprocessor(folder)
    rate, hop = config.get("sampling_rate", SAMPLE_RATE_HZ), config.get("hop_length", HOP)
    mels = config.get("feature_size", num_mels)
    fft, window = config.get("n_fft", 512), config.get("win_length", 400)
    emphasis = config.get("preemphasis", 0.97)
    if (rate, hop, mels) != (SAMPLE_RATE_HZ, HOP, num_mels) or not 0 < num_mels <= _MAX_MELS:
        raise ModelError(
            f"{folder}: its preprocessor has sampling_rate {rate}, hop_length {hop} and "
            f"feature_size {mels}: expected {SAMPLE_RATE_HZ}, {HOP}, and {num_mels} as the encoder"
        )
    if not isinstance(fft, int) or not isinstance(window, int) or window % 2:
        raise ModelError(
            f"{folder}: n_fft {fft!r} and win_length {window!r}: expected even numbers"
        )
    if not 2 <= window <= fft <= _MAX_FFT:
        raise ModelError(f"{folder}: win_length {window} and n_fft {fft}: at most {_MAX_FFT}")
    if emphasis is not None and not isinstance(emphasis, int | float):
        raise ModelError(f"{folder}: preemphasis {emphasis!r}: expected a number or null")
    return NemoFeatures(num_mels, fft, window, float(emphasis or 0.0))


def _preprocessor(folder: Path) -> dict[str, object]:
    if (folder / "preprocessor_config.json").is_file():
        return read_json(folder / "preprocessor_config.json")
    if (folder / "processor_config.json").is_file():
        inner = read_json(folder / "processor_config.json").get("feature_extractor", {})
        return inner if isinstance(inner, dict) else {}
    return {}


@lru_cache(maxsize=4)
def _slaney_filters(num_mels: int, fft: int) -> Floats:
    """Return triangles of equal area on Slaney's mel scale, (fft/2 + 1, num_mels), to 8000 Hz.

    The scale is linear below 1 kHz and logarithmic above (Slaney, 1998, "Auditory Toolbox").
    """
    edges = _hz(np.linspace(0, _mel(SAMPLE_RATE_HZ / 2), num_mels + 2))
    bins = np.arange(fft // 2 + 1)[:, None] * SAMPLE_RATE_HZ / fft
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
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
