"""The symbols of the recognizer: letters, the apostrophe, and the space between words."""

from __future__ import annotations

from collections.abc import Sequence

#: Symbol 0 is the transducer's blank.
SYMBOLS = ("", " ", "'", *"abcdefghijklmnopqrstuvwxyz")
NUM_SYMBOLS = len(SYMBOLS)
SPACE = 1
_NUMBER_OF = {symbol: number for number, symbol in enumerate(SYMBOLS) if symbol}


def encode_text(text: str) -> list[int]:
    """Return the symbols of a text in lower case.

    Raises:
        KeyError: it holds another character.
    """
    return [_NUMBER_OF[character] for character in text]


def decode_text(symbols: Sequence[int]) -> str:
    """Return the text of symbols."""
    return "".join(SYMBOLS[symbol] for symbol in symbols)
