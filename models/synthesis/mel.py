"""Log-mel spectrograms, as Tacotron 2 is trained on and predicts them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from models.base import ModelError

if TYPE_CHECKING:
    import torch

#: The mel scale of Slaney's Auditory Toolbox (1998): linear below 1 kHz, logarithmic above.
_HZ_PER_MEL, _BREAK_HZ, _LOG_STEP = 200 / 3, 1000.0, float(np.log(6.4)) / 27
#: Magnitudes below this are silence: the logarithm of 0 has no value.
_FLOOR = 1e-5


class AudioFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How sound becomes frames of a spectrogram; `audio` of a synthesizer's config.json.

    The defaults are those of the published checkpoints (NVIDIA's and torchaudio's).
    """

    sample_rate: int = 22_050
    """Samples a second."""
    fft_size: int = 1024
    """Samples of the Fourier transform, even."""
    window_size: int = 1024
    """Samples of the Hann window, at most `fft_size`."""
    hop_size: int = 256
    """Samples from one frame to the next, at most a quarter of `window_size`."""
    num_mels: int = 80
    """Bands of a frame."""
    min_hz: float = 0.0
    """Where the lowest band begins."""
    max_hz: float = 8000.0
    """Where the highest band ends, at most half of `sample_rate`."""
    log_mean: float = 0.0
    """Subtracted from the natural logarithm of magnitudes ..."""
    log_scale: float = 1.0
    """... which is then divided by this."""

    @property
    def silence(self) -> float:
        """The value of frames without sound."""
        return (float(np.log(_FLOOR)) - self.log_mean) / self.log_scale

    def check(self) -> None:
        """Raise `ModelError` if the numbers do not fit together."""
        fits = (
            0 < self.hop_size <= self.window_size // 4
            and self.window_size <= self.fft_size <= 16_384
            and self.fft_size % 2 == 0
            and 0 <= self.min_hz < self.max_hz <= self.sample_rate / 2
            and 0 < self.num_mels <= 512
            and self.log_scale > 0
            and self.sample_rate <= 192_000
        )
        if not fits:
            raise ModelError(
                f"the audio format does not fit together: {self}: expected hop_size <= "
                "window_size / 4, window_size <= fft_size (even, at most 16384), min_hz < max_hz "
                "<= sample_rate / 2, num_mels from 1 to 512, log_scale > 0"
            )


@functools.lru_cache(maxsize=8)
def mel_filters(audio: AudioFormat) -> npt.NDArray[np.float32]:
    """Return triangular filters (num_mels, fft_size / 2 + 1), each with area 1 in Hz.

    Equal to librosa's and torchaudio's with `norm="slaney", mel_scale="slaney"`.
    """
    bins = np.linspace(0, audio.sample_rate / 2, audio.fft_size // 2 + 1)
    edges = _to_hz(np.linspace(_to_mel(audio.min_hz), _to_mel(audio.max_hz), audio.num_mels + 2))
    widths = np.diff(edges)
    slopes = edges[:, None] - bins[None, :]
    rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], np.float32)


def _to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _HZ_PER_MEL
    return _BREAK_HZ / _HZ_PER_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _to_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = mels - _BREAK_HZ / _HZ_PER_MEL
    hz: npt.NDArray[np.float64] = np.where(
        above < 0, mels * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * np.maximum(above, 0))
    )
    return hz


def log_mel(samples: torch.Tensor, audio: AudioFormat) -> torch.Tensor:
    """Return the frames of sounds.

    Args:
        samples: (B, n) float32 in [-1, 1].
        audio: the format.

    Returns:
        (B, num_mels, 1 + n // hop_size) float32: the scaled natural logarithm of mel magnitudes.
    """
    import torch

    window = torch.hann_window(audio.window_size)
    spectrum = torch.stft(
        samples,
        audio.fft_size,
        audio.hop_size,
        audio.window_size,
        window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    mels = torch.from_numpy(mel_filters(audio)) @ spectrum.abs()
    return (mels.clamp(min=_FLOOR).log() - audio.log_mean) / audio.log_scale


def magnitudes(frames: torch.Tensor, audio: AudioFormat) -> torch.Tensor:
    """Return the linear spectrogram that has nearly the given log-mel frames.

    Args:
        frames: (B, num_mels, T) of `log_mel`.
        audio: the format.

    Returns:
        (B, fft_size / 2 + 1, T) float32 >= 0: the pseudo-inverse of the filters, cut at 0.
    """
    import torch

    mels = (frames * audio.log_scale + audio.log_mean).clamp(max=_LOUDEST).exp()
    inverse = torch.from_numpy(_inverse(audio)).to(frames.device)
    return (inverse @ mels).clamp(min=0)


#: Of a magnitude's logarithm: a window of full-scale samples has at most 1024 / 2 = exp(6.2); what
#: is predicted above would overflow.
_LOUDEST = 7.0


@functools.lru_cache(maxsize=8)
def _inverse(audio: AudioFormat) -> npt.NDArray[np.float32]:
    return np.asarray(np.linalg.pinv(mel_filters(audio).astype(np.float64)), np.float32)
