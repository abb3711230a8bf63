from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.transducer_folder.nemo_features import NemoFeatures, normalized, read_features
from tests.models.transducer_folder.nemo_reference import reference_frames
from tests.models.transducer_folder.tiny_transformers import PREPROCESSOR


def noise(count: int) -> Any:
    return (np.random.default_rng(0).standard_normal(count) * 0.1).astype(np.float32)


def written(folder: Path, **changes: Any) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR | changes))
    return folder


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("changes", [{}, {"n_fft": 1024, "win_length": 320, "feature_size": 128}])
def test_frames_are_those_of_transformers(
    streaming: bool, changes: dict[str, Any], tmp_path: Path
) -> None:
    config = PREPROCESSOR | changes
    features = read_features(written(tmp_path, **changes), config["feature_size"])
    samples = noise(8123)
    frames = features.whole(torch.from_numpy(samples))
    expected = reference_frames(samples, config, streaming=streaming)
    torch.testing.assert_close(
        frames if streaming else normalized(frames), expected, atol=2e-3, rtol=1e-4
    )


def test_silence_has_finite_frames() -> None:
    frames = normalized(NemoFeatures().whole(torch.zeros(3200)))
    assert bool(frames.isfinite().all())


def test_a_folder_without_a_preprocessor_has_the_defaults(tmp_path: Path) -> None:
    assert read_features(tmp_path, 128) == NemoFeatures(128)


def test_a_processor_holds_the_features_too(tmp_path: Path) -> None:
    inner = {"feature_extractor": PREPROCESSOR | {"win_length": 320}}
    (tmp_path / "processor_config.json").write_text(json.dumps(inner))
    assert read_features(tmp_path, 80) == NemoFeatures(80, window=320)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sampling_rate": 8000}, "sampling_rate 8000"),
        ({"hop_length": 200}, "hop_length 200"),
        ({"feature_size": 64}, "feature_size 64"),
        ({"win_length": 600}, "win_length 600"),
        ({"win_length": "x"}, "expected even numbers"),
        ({"preemphasis": "x"}, "preemphasis 'x'"),
    ],
)
def test_features_that_do_not_fit_are_refused(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=words):
        read_features(written(tmp_path, **changes), 80)
