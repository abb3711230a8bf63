import numpy as np
import torch

from models.speech.features import HOP, NUM_MELS, WINDOW, log_mel, mel_filters, num_frames


def test_pieces_give_the_frames_of_the_whole() -> None:
    sound = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 6000).astype(np.float32))
    whole = log_mel(sound[None])[0]
    assert whole.shape == (num_frames(6000), NUM_MELS)
    first = 7
    part = log_mel(sound[None, first * HOP : first * HOP + WINDOW + 4 * HOP])[0]
    assert torch.allclose(part, whole[first : first + 5], atol=1e-5)


def test_a_tone_is_in_the_band_of_its_frequency() -> None:
    bins = np.linspace(0, 8000, 257)
    filters = mel_filters()
    for hertz in (200, 1000, 4000):
        sound = torch.sin(2 * torch.pi * hertz * torch.arange(1600) / 16_000)[None]
        band = int(log_mel(sound)[0].mean(0).argmax())
        assert abs(bins[filters[:, band].argmax()] - hertz) < 0.06 * hertz + 32


def test_silence_is_finite_and_below_speech() -> None:
    frames = log_mel(torch.zeros(1, 1600))
    assert torch.isfinite(frames).all()
    assert float(frames.max()) < -1.5


def test_every_filter_has_a_bin() -> None:
    assert (mel_filters().max(axis=0) > 0.2).all()
