from __future__ import annotations

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.synthesis.mel import AudioFormat, log_mel, magnitudes, mel_filters


def tone(hz: float, audio: AudioFormat, seconds: float = 0.5) -> torch.Tensor:
    times = torch.arange(int(seconds * audio.sample_rate)) / audio.sample_rate
    return (0.5 * torch.sin(2 * torch.pi * hz * times))[None]


def test_filters_are_those_of_the_published_checkpoints() -> None:
    # librosa.filters.mel(sr=22050, n_fft=1024, n_mels=80, fmax=8000), which both publishers use:
    # below 1 kHz the bands are equally wide, 200/3 Hz to a mel, and each has area 1 in Hz.
    filters = mel_filters(AudioFormat())
    assert filters.shape == (80, 513)
    assert filters.min() == 0
    wide = filters[40:].sum(1) * 22_050 / 1024
    np.testing.assert_allclose(wide, 1.0, atol=0.02)
    bins = np.linspace(0, 11_025, 513)
    top = (15 + 27 * np.log(8) / np.log(6.4)) / 81  # mels between two bands
    at = [int(filters[band].argmax()) for band in (9, 19)]
    np.testing.assert_allclose(bins[at], [top * 10 * 200 / 3, top * 20 * 200 / 3], atol=11)
    assert filters[:, bins > 8000].max() == 0


@pytest.mark.parametrize("hz", [300.0, 1500.0, 6000.0])
def test_a_tone_is_loudest_in_its_band(hz: float) -> None:
    audio = AudioFormat()
    frames = log_mel(tone(hz, audio), audio)
    assert frames.shape == (1, 80, 1 + 11_025 // 256)
    band = int(frames[0, :, 20].argmax())
    filters = mel_filters(audio)
    spread = filters[band] @ np.linspace(0, 11_025, 513) / filters[band].sum()
    assert spread == pytest.approx(hz, rel=0.08, abs=40)


def test_silence_has_the_lowest_value() -> None:
    audio = AudioFormat(log_mean=-6.0, log_scale=3.0)
    frames = log_mel(torch.zeros(1, 2000), audio)
    torch.testing.assert_close(frames, torch.full_like(frames, (np.log(1e-5) + 6) / 3))


def test_magnitudes_come_back() -> None:
    audio = AudioFormat(sample_rate=16_000, log_mean=-6.0, log_scale=3.0)
    frames = log_mel(tone(440, audio), audio)
    linear = magnitudes(frames, audio)
    assert linear.shape == (1, 513, frames.shape[2])
    assert linear.min() >= 0
    again = torch.from_numpy(mel_filters(audio)) @ linear[0]
    loud = frames[0] * 3 - 6 > -4
    ratio = again.clamp(min=1e-5).log()[loud] - (frames[0] * 3 - 6)[loud]
    assert ratio.abs().median() < 0.01  # a tone leaves other bands only its leakage


def test_what_is_predicted_too_loud_does_not_overflow() -> None:
    assert magnitudes(torch.full((1, 80, 2), 1e30), AudioFormat()).isfinite().all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"hop_size": 0},
        {"hop_size": 512},
        {"window_size": 2048},
        {"max_hz": 12_000.0},
        {"log_scale": 0.0},
        {"fft_size": 1 << 20, "window_size": 1024},
    ],
)
def test_numbers_that_do_not_fit_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ModelError, match="audio format does not fit together"):
        AudioFormat(**wrong).check()  # type: ignore[arg-type]
