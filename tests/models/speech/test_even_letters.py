"""Letters at even places: what training begins with."""

from __future__ import annotations

import numpy as np

from models.speech.alphabet import decode_text
from models.speech.even_letters import spread_letters

VECTOR = 640  # samples for each vector of the encoder


def beep(silence: int, speech: int, after: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Sound of so many vectors."""
    sound = np.zeros((silence + speech + after) * VECTOR, np.float32)
    sound[silence * VECTOR : (silence + speech) * VECTOR] = 0.5
    return sound


def test_each_letter_has_its_share_of_the_speech_three_vectors_later() -> None:
    spread = spread_letters(beep(2, 8, 5), "stop")
    assert spread.tolist()[:5] == [-1] * 5
    assert decode_text(spread.tolist()[5:]) == "ssttoopp"


def test_more_letters_than_vectors_leave_some_out() -> None:
    spread = spread_letters(beep(0, 3, 0), "abcdef")
    assert decode_text(spread.tolist()[3:]) == "ace"


def test_silence_and_sound_shorter_than_a_vector_have_an_answer() -> None:
    assert spread_letters(np.zeros(100, np.float32), "stop").tolist() == []
    assert len(spread_letters(np.zeros(4 * VECTOR, np.float32), "stop")) == 7
