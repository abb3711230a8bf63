from __future__ import annotations

import pytest

from models.synthesis.text import CHARACTERS, normalized, sentences_of, symbols_of


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (
            "Warning: pump 7 at 94.5°C!",
            "warning: pump seven at ninety four point five degrees celsius!",
        ),
        ("Dr. Brown paid $1,250.50", "doctor brown paid one thousand two hundred fifty point five"
         " zero dollars"),
        ("at 7:05, 10:00 and 21:30", "at seven oh five, ten o'clock and twenty one thirty"),
        ("the 21st and 2ND", "the twenty first and second"),
        ("-5 to +3 %", "minus five to plus three percent"),
        ("12 l/min, 3 km/h, 40 kHz", "twelve liters per minute, three kilometers per hour, forty"
         " kilohertz"),
        ("PUMP_07 of GPU", "pump zero seven of gee pee you"),
        ("12345678901234567", "one two three four five six seven eight nine zero one two three"
         " four five six seven"),
        ("¿cuánto dinero? 💶", "cuanto dinero?"),
        ("Straße, naïve ½", "strasse, naive one over two"),
        ("٣ pumps", "three pumps"),
        ("a & b @ c", "a and b at c"),
        ("北京", ""),
        ("...!?", ""),
        ("\udfff", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_written_becomes_what_is_spoken(text: str, spoken: str) -> None:
    assert normalized(text) == spoken
    assert set(normalized(text)) <= set(CHARACTERS)


def test_a_spoken_text_stays_as_it_is() -> None:
    text = "warning, pressure on pump seven is too high."
    assert normalized(text) == text


def test_sentences_are_cut_where_a_speaker_pauses() -> None:
    spoken = "alarm; the pump is hot. please check it, then the valve and the tank of hall two"
    assert sentences_of(spoken, 30) == [
        "alarm;",
        "the pump is hot.",
        "please check it,",
        "then the valve and the tank of",
        "hall two",
    ]
    assert sentences_of("x" * 70, 30) == ["x" * 30, "x" * 30, "x" * 10]
    assert sentences_of(". . .", 30) == []


def test_no_letter_is_lost_by_cutting() -> None:
    text = "one, two three. " * 40
    parts = sentences_of(text, 25)
    assert all(len(part) <= 25 for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


def test_symbols() -> None:
    assert symbols_of("a-z") == [12, 1, 37]
    assert symbols_of("hi: you!", "_,.hiouy") == [3, 4, 1, 7, 5, 6, 2]
    assert symbols_of("ü", CHARACTERS) == []
