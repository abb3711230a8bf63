from __future__ import annotations

import pytest

from models.transliteration.alphabet import Alphabet, normalize
from models.transliteration.place_names import PlaceName

ALPHABET = Alphabet("abcdefghijklmnopqrstuvwxyz -'ö", ("DE", "US"), "巴德基")


def test_letters_and_countries_have_numbers() -> None:
    assert ALPHABET.read("ab", "DE") == [2, 4, 5]
    assert ALPHABET.read("ab", "FR") == ALPHABET.read("AB") == [1, 4, 5]
    assert ALPHABET.num_inputs == 2 + 2 + 30
    assert max(ALPHABET.read("ö")) == ALPHABET.num_inputs - 1


def test_characters_have_numbers_from_one() -> None:
    assert ALPHABET.spell("基巴") == [3, 1]
    assert ALPHABET.write([3, 1]) == "基巴"
    assert ALPHABET.spell("基洛") is None
    assert ALPHABET.num_symbols == 4


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("  Köln ", "köln"),
        ("Kóln", "koln"),  # a mark that is not in the alphabet
        ("Ko\u0308ln", "köln"),
        ("St. John\u2019s", "st john's"),
        ("Baden\u2013Baden", "baden-baden"),
        ("Łódź 2 💶", "lodz"),
        ("\uff22\uff4f\uff4e\uff4e", "bonn"),  # full width
        ("\u0130zmir", "izmir"),
        ("3 !", ""),
    ],
)
def test_a_name_is_read_in_letters_of_the_alphabet(given: str, read: str) -> None:
    assert ALPHABET.clean(given) == read
    assert ALPHABET.read(given) == ALPHABET.read(read)


def test_it_has_what_occurs_often() -> None:
    places = [PlaceName(n, "Köbe", "DE", ("德",)) for n in range(30)]
    places += [PlaceName(99, "Zaïs", "FR", ("德巴巴", "基"))]
    made = Alphabet.of_places(places, 2)
    assert made.characters == "德巴"
    assert made.countries == ("DE",)
    assert made.letters == "abcdefghijklmnopqrstuvwxyz -'ö"


def test_words_are_joined_by_one_space() -> None:
    assert normalize("\tSAN \n Marino") == "san marino"
