from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from models.synthesis.hibari import HibariSynthesizer
from schemas import InputError, SpokenAudio, TextMessage
from tests.conftest import skip_or_fail


@pytest.fixture(scope="module")
def model() -> Iterator[HibariSynthesizer]:
    if find_spec("hibari") is None:
        skip_or_fail("the extra `demo` is not installed: no hibari-tts")
    made = HibariSynthesizer()
    made.load("cpu")
    yield made
    made.close()


def spoken(model: HibariSynthesizer, text: str) -> SpokenAudio:
    (answer,) = model.predict_batch([TextMessage(text=text)])
    assert isinstance(answer, SpokenAudio)
    return answer


def test_longer_texts_take_longer(model: HibariSynthesizer) -> None:
    short, long = spoken(model, "Stop."), spoken(model, "Please stop pump 7 in the north hall now.")
    assert short.sample_rate_hz == long.sample_rate_hz == 24_000
    assert 300 < short.duration_ms < 1500 < long.duration_ms < 5000
    samples = np.frombuffer(long.audio, "<i2")
    assert len(samples) == round(long.duration_ms * 24)
    assert 3000 < np.abs(samples.astype(int)).max() < 32_767
    assert spoken(model, "Stop.") == short


def test_texts_without_letters_are_refused(model: HibariSynthesizer) -> None:
    bad, good = model.predict_batch([TextMessage(text="?!"), TextMessage(text="yes")])
    assert isinstance(bad, InputError)
    assert isinstance(good, SpokenAudio)


def test_a_long_text_is_cut(model: HibariSynthesizer) -> None:
    answer = spoken(model, "word " * 20_000)
    assert len(answer.text) <= 300
    assert answer.notes == [f"cut: {len(answer.text)} of 99999 characters are spoken"]


@pytest.mark.parametrize("speed", [0.4, 2.1, float("nan")])
def test_speed_out_of_range(speed: float) -> None:
    with pytest.raises(ValueError, match=r"expected 0\.5 to 2"):
        HibariSynthesizer(speed=speed)
