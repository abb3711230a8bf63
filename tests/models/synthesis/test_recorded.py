from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.synthesis import recorded
from models.synthesis.recorded import fill_frames, teacher_samples, trimmed
from models.training.settings import no_progress
from tests.models.synthesis.tiny_tacotron2 import AUDIO


class ToneTeacher:
    """Speaks each letter as a tenth of a second of a tone, with a second of silence around."""

    sample_rate = 2000

    def __call__(self, text: str, seed: int) -> Any:
        tone = 0.5 * np.sin(np.arange(200 * len(text)) * 0.5).astype(np.float32)
        return np.pad(tone, 2000)


def test_sound_comes_at_the_asked_rate_and_without_its_silence() -> None:
    samples = teacher_samples(ToneTeacher(), "ab", 1000)
    assert len(samples) == 1000 + 200 + 1000
    short = trimmed(samples, 1000)
    assert 200 + 30 + 100 - 30 < len(short) < 200 + 30 + 100 + 30
    assert len(trimmed(np.zeros(50, np.float32), 1000)) == 50


def test_frames_are_written_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "load_teacher", ToneTeacher)
    array = np.zeros((2, 21, AUDIO.num_mels), np.float16)
    fill_frames(array, ["abcd", "a"], AUDIO, no_progress)
    long, short = (int(count) for count in array[:, 0, 0])
    assert 20 >= long > short > 2
    assert (array[1, 1 + short :] == 0).all()
    assert array[0, 1 : 1 + long].std() > 0.1
    with pytest.raises(ModelError, match=r"text 1 takes .* s to speak: raise max_seconds"):
        fill_frames(array, ["a" * 40], AUDIO, no_progress)
