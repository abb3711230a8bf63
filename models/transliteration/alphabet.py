"""Letters, countries and characters as numbers, for a transliterator's networks."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

import msgspec

from models.transliteration.place_names import PlaceName
from models.transliteration.pronunciation import fold

#: Joins words of a name; every kind of hyphen and apostrophe becomes one of these.
_SPACE, _HYPHEN, _APOSTROPHE = " ", "-", "'"
_SAME = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2013\u2014", _HYPHEN)
    | dict.fromkeys("\u2018\u2019\u02bb\u02bc`\u00b4", _APOSTROPHE)
    | dict.fromkeys("_\u00b7", _SPACE)
)
#: Letters with marks that occur seldom are read without them.
_MIN_LETTER = 10
_MIN_COUNTRY = 30


class Alphabet(msgspec.Struct, frozen=True, dict=True, forbid_unknown_fields=True):
    """What a transliterator reads and writes; stored beside its weights."""

    letters: str
    countries: tuple[str, ...]
    """ISO 3166 codes; a name of another country, or of none, is read without one."""
    characters: str
    """Chinese characters; number 0 of the output is the blank, 1 the first of these."""

    @staticmethod
    def of_places(places: Sequence[PlaceName], min_characters: int) -> Alphabet:
        """Return what occurs often enough in names to be learned."""
        letters, countries, characters = Counter[str](), Counter[str](), Counter[str]()
        for place in places:
            letters.update(normalize(place.name))
            countries[place.country] += 1
            for chinese in place.characters:
                characters.update(chinese)
        always = "abcdefghijklmnopqrstuvwxyz" + _SPACE + _HYPHEN + _APOSTROPHE
        marked = {c for c, n in letters.items() if n >= _MIN_LETTER} - set(always)
        return Alphabet(
            always + "".join(sorted(marked)),
            tuple(sorted(c for c, n in countries.items() if n >= _MIN_COUNTRY)),
            "".join(c for c, n in _by_count(characters) if n >= min_characters),
        )

    @property
    def num_inputs(self) -> int:
        """How many numbers `read` can give: padding, no country, the countries, the letters."""
        return 2 + len(self.countries) + len(self.letters)

    @property
    def num_symbols(self) -> int:
        """How many numbers the output has: the blank and the characters."""
        return 1 + len(self.characters)

    def read(self, name: str, country: str = "") -> list[int]:
        """Return a name as numbers > 0, the first of them the country.

        A letter with marks that is not in the alphabet is read without them; what is no letter is
        left out.
        """
        letters = self._number_of_letter
        return [
            self._number_of_country.get(country, 1),
            *(letters[letter] for letter in self.clean(name)),
        ]

    def clean(self, name: str) -> str:
        """Return a name in letters of the alphabet, without blanks at its ends."""
        letters = self._number_of_letter
        plain = (c if c in letters else fold(c) for c in normalize(name))
        return normalize("".join(c for part in plain for c in part if c in letters))

    def write(self, symbols: Iterable[int]) -> str:
        """Return the characters of numbers > 0."""
        return "".join(self.characters[symbol - 1] for symbol in symbols)

    def spell(self, characters: str) -> list[int] | None:
        """Undo `write`; None if a character is not in the alphabet."""
        numbers = [self._number_of_character.get(c, 0) for c in characters]
        return numbers if all(numbers) else None

    @cached_property
    def _number_of_country(self) -> dict[str, int]:
        return {code: 2 + i for i, code in enumerate(self.countries)}

    @cached_property
    def _number_of_letter(self) -> dict[str, int]:
        return {letter: 2 + len(self.countries) + i for i, letter in enumerate(self.letters)}

    @cached_property
    def _number_of_character(self) -> dict[str, int]:
        return {character: 1 + i for i, character in enumerate(self.characters)}


def normalize(name: str) -> str:
    """Return a name in lower case, with one form of each letter, and words that one space joins."""
    lower = unicodedata.normalize("NFKC", name).lower().translate(_SAME)
    return _SPACE.join(unicodedata.normalize("NFC", lower).split())


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
