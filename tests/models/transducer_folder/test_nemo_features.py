from __future__ import annotations

import numpy as np
import pytest
import torch

from models.transducer_folder.nemo_features import _slaney_filters, nemo_fbank


@pytest.mark.parametrize("num_mels", [80, 128])
def test_the_filters_are_slaneys(num_mels: int) -> None:
    from transformers.audio_utils import mel_filter_bank

    expected = mel_filter_bank(
        257, num_mels, 0.0, 8000.0, 16_000, norm="slaney", mel_scale="slaney"
    )
    np.testing.assert_allclose(_slaney_filters(num_mels), expected.T, atol=1e-6)


def test_frames_have_mean_zero_and_deviation_one_if_asked() -> None:
    samples = torch.from_numpy(np.random.default_rng(0).standard_normal(8000).astype(np.float32))
    plain = nemo_fbank(samples, 80, normalize=False)
    assert plain.shape == (50, 80)
    assert float(plain.std()) > 0.1
    scaled = nemo_fbank(samples, 80, normalize=True)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(80), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std(0), torch.ones(80), atol=1e-3, rtol=0)


def test_silence_has_finite_frames() -> None:
    assert bool(nemo_fbank(torch.zeros(3200), 80, normalize=True).isfinite().all())
