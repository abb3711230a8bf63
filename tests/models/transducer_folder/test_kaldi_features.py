from __future__ import annotations

import numpy as np
import torch

from models.transducer_folder.kaldi_features import kaldi_fbank


def sound() -> torch.Tensor:
    chance = np.random.default_rng(0)
    samples = 0.1 * chance.standard_normal(4000) + 0.3 * np.sin(np.arange(4000) * 0.3)
    return torch.from_numpy(samples.astype(np.float32))[None]


def test_the_frames_are_kaldis() -> None:
    """Values of kaldi-native-fbank 1.23.0 with sherpa-onnx's options; ours differ by 5e-5."""
    frames = kaldi_fbank(sound())[0].numpy()
    assert frames.shape == (23, 80)
    np.testing.assert_allclose(
        frames[3, :5], [-9.736741, -7.585958, -6.4807997, -6.027078, -5.67037], atol=2e-4
    )
    np.testing.assert_allclose(frames[20, -3:], [4.0555487, 4.035132, 3.742299], atol=2e-4)
    np.testing.assert_allclose(frames.mean(), -0.029984193, atol=1e-4)


def test_pieces_give_the_frames_of_the_whole() -> None:
    whole = kaldi_fbank(sound())[0]
    part = kaldi_fbank(sound()[:, 8 * 160 : 8 * 160 + 2800])[0]
    torch.testing.assert_close(part, whole[8:24][: len(part)], atol=1e-5, rtol=1e-5)


def test_silence_has_the_logarithm_of_epsilon() -> None:
    frames = kaldi_fbank(torch.zeros(1, 2800))
    torch.testing.assert_close(frames, torch.full((1, 16, 80), -15.942385))
