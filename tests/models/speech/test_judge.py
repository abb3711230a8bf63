from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from models.speech.judge import Judge, num_errors, num_recognized
from models.synthesis.hibari import HibariSynthesizer
from schemas import SpokenAudio, TextMessage
from tests.conftest import skip_or_fail

SAID = "open the door of the hall".split()


@pytest.mark.parametrize(
    ("heard", "recognized", "errors"),
    [
        ("open the door of the hall", 6, 0),
        ("", 0, 6),
        ("open the of the hall", 5, 1),
        ("please open the door of the hall now", 6, 2),
        ("open a door of the wall", 4, 2),
        ("hall the of door the open", 3, 4),
    ],
)
def test_counts_of_words(heard: str, recognized: int, errors: int) -> None:
    words = heard.split()
    assert (num_recognized(SAID, words), num_errors(SAID, words)) == (recognized, errors)


def test_silence_is_not_heard_as_words() -> None:
    if find_spec("pocketsphinx") is None:
        skip_or_fail("the extra `eval` is not installed: no pocketsphinx")
    silence = np.zeros(16_000, "<i2").tobytes()
    spoken = SpokenAudio(audio=silence, sample_rate_hz=16_000)
    assert Judge().words(spoken) == []


def test_a_sentence_of_the_grammar_is_heard() -> None:
    """With the bound on what is followed, which makes hopeless sound quick."""
    if find_spec("pocketsphinx") is None or find_spec("hibari") is None:
        skip_or_fail("the extras `eval` and `demo` are not installed")
    voice = HibariSynthesizer()
    voice.load()
    spoken = voice.predict_batch([TextMessage(text=f"{' '.join(SAID)}.")])[0]
    assert isinstance(spoken, SpokenAudio)
    assert Judge().words(spoken) == SAID
