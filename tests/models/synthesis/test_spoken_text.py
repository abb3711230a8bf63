from __future__ import annotations

import numpy as np
import pytest

from models.synthesis.spoken_text import (
    check_max_characters,
    cut_text,
    invalid_text,
    nothing_to_speak,
    spoken_audio,
)


def test_a_text_is_cut_at_a_blank_and_says_so() -> None:
    assert cut_text("  good \n\n morning  ", 12).text == "good morning"
    assert cut_text("good morning", 12).notes == ()
    cut = cut_text("good morning everybody", 16)
    assert cut.text == "good morning"
    assert cut.notes == ("cut: 12 of 22 characters are spoken",)
    assert cut_text("x" * 100_000, 50).text == "x" * 50


def test_blanks_are_no_text() -> None:
    assert cut_text(" " * 9000 + "hello", 10).text == "hello"


@pytest.mark.parametrize("limit", [0, -1, 4001])
def test_limits(limit: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 4000"):
        check_max_characters(limit)


def test_invalid_unicode_is_an_error() -> None:
    assert invalid_text("héllo 💶") is None
    error = invalid_text("ab\udfff")
    assert str(error) == "the text is not valid Unicode: surrogates not allowed at 2"


def test_the_error_shows_no_control_characters() -> None:
    error = nothing_to_speak("\0\x1b[31m" + "!" * 500)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 200


def test_sentences_are_joined_with_a_pause() -> None:
    half = np.full(1000, 0.5, np.float32)
    result = spoken_audio([half, -2 * half], 1000, "one. two.", ["note"])
    samples = np.frombuffer(result.audio, "<i2")
    assert len(samples) == 1000 + 150 + 1000
    assert set(samples[:1000]) == {16384}
    assert set(samples[1000:1150]) == {0}
    assert set(samples[1150:]) == {-32767}
    assert (result.duration_ms, result.sample_rate_hz, result.encoding) == (2150, 1000, "s16le")
    assert (result.text, result.notes, result.is_end) == ("one. two.", ["note"], True)


def test_sound_that_is_too_loud_is_clipped() -> None:
    result = spoken_audio([np.array([7.0, -7.0], np.float32)], 8000, "a", [])
    assert np.frombuffer(result.audio, "<i2").tolist() == [32_767, -32_767]
