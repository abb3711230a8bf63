"""The text front end: what people write becomes the characters that a synthesizer reads."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: The characters of the published checkpoints for English, in their order; "_" pads.
CHARACTERS = "_-!'(),.:;? abcdefghijklmnopqrstuvwxyz"
_IDS = {character: number for number, character in enumerate(CHARACTERS)}


def symbols_of(text: str, characters: str = CHARACTERS) -> list[int]:
    """Return the symbols of a normalized text; characters without a symbol are left out."""
    ids = _IDS if characters == CHARACTERS else {c: i for i, c in enumerate(characters)}
    return [ids[character] for character in text if character in ids]
