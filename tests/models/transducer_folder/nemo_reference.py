"""Frames as transformers' own feature extractors compute them, without librosa."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor


def _mel(*, sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, norm: str) -> Any:
    """Return the filters of `librosa.filters.mel`, by transformers' function for the same."""
    from transformers.audio_utils import mel_filter_bank

    return mel_filter_bank(n_fft // 2 + 1, n_mels, fmin, fmax, sr, norm=norm, mel_scale="slaney").T


def reference_frames(samples: Any, config: dict[str, Any], *, streaming: bool) -> Tensor:
    """Return the frames (T, F) of one sound: Nemotron's if `streaming`, else Parakeet's."""
    family, name = ("nemotron_asr_streaming", "NemotronAsrStreaming") if streaming else (
        "parakeet", "Parakeet"
    )  # fmt: skip
    # By its full name: the package gives no module whose needs are not met.
    module = import_module(f"transformers.models.{family}.feature_extraction_{family}")
    cls = getattr(module, f"{name}FeatureExtractor")
    with pytest.MonkeyPatch.context() as patch:
        librosa = SimpleNamespace(filters=SimpleNamespace(mel=_mel))
        patch.setattr(module, "librosa", librosa, raising=False)
        made = cls(**config)(samples, sampling_rate=16_000, return_tensors="pt")
    frames: Tensor = made["input_features"][0][: int(made["attention_mask"].sum())]
    return frames
