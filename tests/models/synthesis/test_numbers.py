from __future__ import annotations

import pytest

from models.synthesis.numbers import digit_words, number_words, ordinal_words


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "zero"),
        ("7", "seven"),
        ("13", "thirteen"),
        ("40", "forty"),
        ("99", "ninety nine"),
        ("205", "two hundred five"),
        ("1000", "one thousand"),
        ("12345", "twelve thousand three hundred forty five"),
        ("1000001", "one million one"),
        ("007", "zero zero seven"),
        ("9" * 15, "nine hundred ninety nine trillion nine hundred ninety nine billion nine hundred"
         " ninety nine million nine hundred ninety nine thousand nine hundred ninety nine"),
        ("1" * 16, " ".join(["one"] * 16)),
    ],
)  # fmt: skip
def test_numbers(digits: str, words: str) -> None:
    assert number_words(digits) == words


@pytest.mark.parametrize(
    ("digits", "words"),
    [("1", "first"), ("12", "twelfth"), ("20", "twentieth"), ("33", "thirty third"),
     ("100", "one hundredth")],
)  # fmt: skip
def test_ordinals(digits: str, words: str) -> None:
    assert ordinal_words(digits) == words


def test_digits() -> None:
    assert digit_words("405") == "four zero five"
