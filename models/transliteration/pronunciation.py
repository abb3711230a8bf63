"""Whether Chinese characters sound like a name, judged by their consonants.

Some Chinese names of places are translations (Oxford 牛津, "ox ford") or old names of another
origin (Palembang 巨港). They teach a transliterator nothing, so the training data leaves them out.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

#: For each Latin letter, the pinyin initials that stand for it in the languages of Europe and of
#: their former colonies. "" is a syllable without an initial, such as er in 尔 for "l" and "r".
_INITIALS = {
    "b": "b p w",
    "c": "k g q j x s c z ch h sh zh",
    "d": "d t j zh",
    "f": "f h",
    "g": "g j zh h k q y r",
    "h": "h x g",
    "j": "j zh y h x r q",
    "k": "k g j q h ch",
    "l": "l ",
    "m": "m",
    "n": "n",
    "p": "p b f",
    "q": "k g q j ch",
    "r": "l r ",
    "s": "s x sh c z q j",
    "t": "t d q j ch c z s x",
    "v": "w f b p",
    "w": "w f h g y",
    "z": "z c q j s x zh r",
}
_VOWELS = "aeiouy"
#: Initials of a syllable that a vowel can give: none, and the glides.
_OF_VOWELS = ("", "y", "w")
#: Of the characters, whose initials must occur in the name.
MIN_SHARE = 0.75


def fold(name: str) -> str:
    """Return a name in lower case without marks on its letters: `Łódź` gives `lodz`."""
    plain = name.lower().translate(_WITHOUT_DECOMPOSITION)
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


_WITHOUT_DECOMPOSITION = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "\u0131": "i",
    }
)


def sounds_like(name: str, characters: str) -> bool:
    """Return whether most characters' initials occur in the name, in order.

    Args:
        name: in Latin letters.
        characters: Chinese.
    """
    sounds = fold(name).replace("x", "ks")
    letters = [c for c in sounds if c in _INITIALS or c in _VOWELS]
    initials = _initials_of(characters)
    if not letters or not initials:
        return False
    if len(initials) > len(letters) or 5 * len(initials) < len(letters):
        return False
    return _most_in_order(letters, initials) >= MIN_SHARE * len(initials)


def _most_in_order(letters: list[str], initials: list[str]) -> int:
    """Return how many initials can be given to letters in order: a longest common subsequence."""
    best = [0] * (len(initials) + 1)
    for letter in letters:
        row = [0]
        for place, initial in enumerate(initials):
            fits = best[place] + _fits(letter, initial)
            row.append(max(fits, best[place + 1], row[place]))
        best = row
    return best[-1]


@lru_cache(maxsize=4096)
def _fits(letter: str, initial: str) -> bool:
    if letter in _VOWELS:
        return initial in _OF_VOWELS
    return initial in _INITIALS[letter].split(" ")


def _initials_of(characters: str) -> list[str]:
    from pypinyin import Style, lazy_pinyin

    return list(lazy_pinyin(characters, style=Style.INITIALS, strict=False, errors="ignore"))
