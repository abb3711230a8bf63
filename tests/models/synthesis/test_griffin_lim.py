from __future__ import annotations

import torch

from models.synthesis.griffin_lim import griffin_lim
from models.synthesis.mel import AudioFormat

AUDIO = AudioFormat(sample_rate=8000, fft_size=256, window_size=256, hop_size=64, max_hz=4000.0)


def spectrum(samples: torch.Tensor) -> torch.Tensor:
    window = torch.hann_window(256)
    return torch.stft(samples, 256, 64, 256, window, pad_mode="constant", return_complex=True).abs()


def chirp(num_samples: int = 4096) -> torch.Tensor:
    times = torch.arange(num_samples) / 8000
    return 0.5 * torch.sin(2 * torch.pi * (300 * times + 900 * times**2))[None]


def distance(num_turns: int) -> float:
    target = spectrum(chirp())
    samples = griffin_lim(target, torch.tensor([target.shape[2]]), AUDIO, num_turns)
    found = spectrum(samples[:, :4096])
    return float((found - target).norm() / target.norm())


def test_turns_bring_the_spectrum_nearer() -> None:
    few, many = distance(2), distance(32)
    assert many < 0.15
    assert many < few / 2


def test_rows_do_not_depend_on_each_other_or_on_padding() -> None:
    long, short = spectrum(chirp()), spectrum(chirp(2048))
    both = torch.zeros(2, long.shape[1], long.shape[2])
    both[0], both[1, :, : short.shape[2]] = long[0], short[0]
    both[1, :, short.shape[2] :] = 7.0  # what is behind a row's end is ignored
    lengths = torch.tensor([long.shape[2], short.shape[2]])
    together = griffin_lim(both, lengths, AUDIO, 8)
    alone = griffin_lim(short, lengths[1:], AUDIO, 8)
    size = 64 * short.shape[2]
    torch.testing.assert_close(together[1, :size], alone[0, :size])
    assert (together[1, size:] == 0).all()
    assert alone[0, :size].abs().max() > 0.1


def test_the_same_spectrum_gives_the_same_sound() -> None:
    target = spectrum(chirp(1024))
    lengths = torch.tensor([target.shape[2]])
    torch.manual_seed(1)
    first = griffin_lim(target, lengths, AUDIO, 4)
    torch.manual_seed(2)
    assert torch.equal(griffin_lim(target, lengths, AUDIO, 4), first)
