"""Griffin-Lim: a waveform for a magnitude spectrogram, by turns of two projections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.synthesis.mel import AudioFormat

if TYPE_CHECKING:
    import torch

#: Of the fast variant; 0.99 is what its authors found best.
_MOMENTUM = 0.99
#: The phases to begin with: the same for each text.
_SEED = 1984


def griffin_lim(
    magnitudes: torch.Tensor, num_frames: torch.Tensor, audio: AudioFormat, num_turns: int
) -> torch.Tensor:
    """Return waveforms whose spectrograms have nearly these magnitudes.

    Args:
        magnitudes: (B, fft_size / 2 + 1, T) float32 >= 0.
        num_frames: (B,) int64: how many of the T frames each row has; the others are ignored.
        audio: the format.
        num_turns: of the two projections, at least 1.

    Returns:
        (B, hop_size * (T - 1 + fft_size // hop_size)) float32; samples from hop_size * num_frames
        on are 0. A row does not depend on the other rows or on T.

    Source: Griffin and Lim, 1984, "Signal estimation from modified short-time Fourier transform";
    the fast variant: Perraudin, Balazs and Sondergaard, 2013.
    """
    import torch

    # Frames of silence behind each row, as many as one sample touches, make its end the same
    # whether or not the batch has a longer row.
    behind = audio.fft_size // audio.hop_size
    target = torch.nn.functional.pad(magnitudes, (0, behind))
    frames = torch.arange(target.shape[2], device=target.device)
    exists = (frames < num_frames[:, None]).unsqueeze(1)
    target = target * exists
    length = audio.hop_size * (target.shape[2] - 1)
    window = torch.hann_window(audio.window_size, device=target.device)
    shape = (audio.fft_size, audio.hop_size, audio.window_size, window)
    phases = _first_phases(target.shape[1], target.shape[2]).to(target.device)
    previous = torch.zeros_like(target, dtype=torch.complex64)
    for _ in range(num_turns):
        samples = torch.istft(target * phases, *shape, length=length)
        projected = torch.stft(samples, *shape, pad_mode="constant", return_complex=True)
        moved = projected - (_MOMENTUM / (1 + _MOMENTUM)) * previous
        phases = moved / moved.abs().clamp(min=1e-16)
        previous = projected
    samples = torch.istft(target * phases, *shape, length=length)
    ends = audio.hop_size * num_frames[:, None]
    exists = torch.arange(length, device=samples.device) < ends
    return samples * exists


def _first_phases(num_bins: int, num_frames: int) -> torch.Tensor:
    """Return unit phases (num_bins, num_frames); a frame's do not depend on `num_frames`."""
    import torch

    chance = torch.Generator().manual_seed(_SEED)
    angles = torch.rand(num_frames, num_bins, generator=chance).T * (2 * torch.pi)
    return torch.polar(torch.ones_like(angles), angles)
