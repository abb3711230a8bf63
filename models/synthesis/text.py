"""The text front end: what people write becomes the words and characters that are spoken."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from models.synthesis.numbers import digit_words, number_words, ordinal_words

#: The characters of torchaudio's published checkpoints for English, in their order; "_" pads.
CHARACTERS = "_-!'(),.:;? abcdefghijklmnopqrstuvwxyz"

#: Units behind a number.
_UNITS = {
    "%": "percent",
    "°c": "degrees celsius",
    "°f": "degrees fahrenheit",
    "°": "degrees",
    "km/h": "kilometers per hour",
    "m/s": "meters per second",
    "l/min": "liters per minute",
    "l/s": "liters per second",
    "rpm": "revolutions per minute",
    "kw": "kilowatts",
    "kwh": "kilowatt hours",
    "mw": "megawatts",
    "kv": "kilovolts",
    "khz": "kilohertz",
    "mhz": "megahertz",
    "ghz": "gigahertz",
    "hz": "hertz",
    "kg": "kilograms",
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "kb": "kilobytes",
    "mb": "megabytes",
    "gb": "gigabytes",
    "ms": "milliseconds",
    "min": "minutes",
    "psi": "p s i",
    "pa": "pascals",
    "kpa": "kilopascals",
    "v": "volts",
    "a": "amperes",
    "w": "watts",
    "l": "liters",
    "m": "meters",
    "s": "seconds",
    "h": "hours",
}
_ABBREVIATIONS = {
    "dr.": "doctor",
    "mr.": "mister",
    "mrs.": "missis",
    "ms.": "miss",
    "st.": "street",
    "approx.": "approximately",
    "max.": "maximum",
    "min.": "minimum",
    "temp.": "temperature",
    "e.g.": "for example",
    "i.e.": "that is",
    "etc.": "and so on",
    "vs.": "versus",
}
_SIGNS = {
    "&": " and ",
    "@": " at ",
    "+": " plus ",
    "=": " equals ",
    "<": " less than ",
    ">": " more than ",
    "#": " number ",
    "%": " percent ",
    "°": " degrees ",
    "€": " euros ",
    "$": " dollars ",
    "£": " pounds ",
    "\N{FRACTION SLASH}": " over ",
    "/": " ",
    "_": " ",
    "ß": "ss",
    "æ": "ae",
    "ø": "o",
    "…": ".",
    "\N{EN DASH}": ", ",
    "\N{EM DASH}": ", ",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
_MONEY = {"$": "dollars", "€": "euros", "£": "pounds"}
#: Of letters that are read one by one, as in "CPU".
_LETTERS = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "ay bee see dee ee eff gee aitch eye jay kay ell em en oh pee cue are ess tee you vee"
        " double-you ex why zee".split(),
        strict=True,
    )
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"


def _any_of(words: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_INITIALS = re.compile(r"\b[B-DF-HJ-NP-TV-XZ]{2,5}\b|\b(?:AI|API|CPU|GPU|ID|IP|UPS|USB)\b")
_SHORT = re.compile(rf"(?<![\w.])(?:{_any_of(_ABBREVIATIONS)})", re.I)
_NUMBER_OF = re.compile(r"(?<![\w.])no\.(?=\s?\d)", re.I)  # of "No. 7", not of "No."
_AMOUNT = re.compile(rf"([$€£])\s?({_NUMBER})")
_CLOCK = re.compile(r"\b([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?\b")
_ORDINAL = re.compile(r"\b(\d{1,15})(?:st|nd|rd|th)\b", re.I)
_MEASURE = re.compile(rf"({_NUMBER})\s?({_any_of(_UNITS)})(?![\w/])", re.I)
_MINUS = re.compile("(?<![\\w.])[-\N{MINUS SIGN}](?=\\d)")
_ANY_NUMBER = re.compile(_NUMBER)
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_SPACES = re.compile(r"\s+")
_REPEATED = re.compile(r"([-!'(),.:;?])\1+")
_BREAK = re.compile(r"(?<=[.!?])\s+|(?<=[;:])\s+")


def normalized(text: str) -> str:
    """Return a text as it is spoken: only characters of `CHARACTERS`, numbers in words.

    Numbers, times, amounts, common units and abbreviations are English. Accents are removed; what
    has no letters of the Latin alphabet (other scripts, emoji) is left out. "" if nothing is left.
    The time grows with the square of the longest number: cut the text first.
    """
    text = unicodedata.normalize("NFKC", text.replace("°", "°"))
    text = _SHORT.sub(lambda m: _ABBREVIATIONS[m[0].lower()], text)
    text = _NUMBER_OF.sub("number", text)
    text = _INITIALS.sub(lambda m: " ".join(_LETTERS[letter] for letter in m[0]), text)
    text = _CLOCK.sub(lambda m: _clock(m[1], m[2]), text)
    text = _ORDINAL.sub(lambda m: ordinal_words(m[1]), text)
    text = _MINUS.sub(" minus ", text)
    text = _AMOUNT.sub(lambda m: f"{_words(m[2])} {_MONEY[m[1]]}", text)
    text = _MEASURE.sub(lambda m: f"{_words(m[1])} {_UNITS[m[2].lower()]}", text)
    text = _ANY_NUMBER.sub(lambda m: f" {_words(m[0])} ", text)
    text = _SIGN.sub(lambda m: _SIGNS[m[0]], text.lower())
    text = _SIGN.sub(lambda m: _SIGNS[m[0]], unicodedata.normalize("NFKD", text))
    kept = "".join(c if c in CHARACTERS else " " if c.isspace() else "" for c in text)
    kept = re.sub(r"\s+([,.;:!?])", r"\1", _SPACES.sub(" ", _REPEATED.sub(r"\1", kept))).strip()
    return kept if re.search("[a-z]", kept) else ""


def _words(number: str) -> str:
    whole, _, decimals = number.replace(",", "").partition(".")
    return number_words(whole) + (f" point {digit_words(decimals)}" if decimals else "")


def _clock(hour: str, minute: str) -> str:
    if minute == "00":
        return f"{number_words(str(int(hour)))} o'clock"
    minutes = ("oh " if minute[0] == "0" else "") + number_words(str(int(minute)))
    return f"{number_words(str(int(hour)))} {minutes}"


def sentences_of(spoken: str, max_characters: int) -> list[str]:
    """Return the sentences of a normalized text, each of at most `max_characters`.

    A longer one is cut behind a comma, else at a blank, else anywhere. Parts without a letter are
    left out.
    """
    parts = [
        part.strip() for text in _BREAK.split(spoken) for part in _short_parts(text, max_characters)
    ]
    return [part for part in parts if re.search("[a-z]", part)]


def _short_parts(text: str, limit: int) -> Iterator[str]:
    while len(text) > limit:
        comma, blank = text.rfind(", ", 0, limit + 1), text.rfind(" ", 0, limit + 1)
        end = comma + 1 if comma > limit // 3 else blank if blank > limit // 3 else limit
        yield text[:end]
        text = text[end:].strip()
    yield text


def symbols_of(text: str, characters: str = CHARACTERS) -> list[int]:
    """Return the symbols of a normalized text: places in `characters`.

    A mark without a symbol is read as a similar one; another character without one is left out.
    """
    ids = {character: number for number, character in enumerate(characters)}
    read = (c if c in ids else _SIMILAR.get(c, "") for c in text)
    return [ids[character] for character in read if character in ids]


#: Marks that a network may not know, and those that it then reads.
_SIMILAR = {"-": " ", ":": ",", ";": ",", "(": ",", ")": ",", "!": "."}
