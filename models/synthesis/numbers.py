"""Numbers in English words."""

from __future__ import annotations

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_GROUPS = ("", "thousand", "million", "billion", "trillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
#: Longer numbers are identifiers: they are read digit by digit.
_MAX_DIGITS = 3 * len(_GROUPS)


def number_words(digits: str) -> str:
    """Return a whole number in words, such as "two hundred five" for "205".

    One that begins with 0 or has more than 15 digits is read digit by digit, as identifiers are.

    Args:
        digits: ASCII digits, at least one.
    """
    if len(digits) > _MAX_DIGITS or (digits[0] == "0" and len(digits) > 1):
        return digit_words(digits)
    number, groups = int(digits), list[str]()
    if not number:
        return _SMALL[0]
    for group in _GROUPS:
        number, rest = divmod(number, 1000)
        if rest:
            groups.insert(0, f"{_below_thousand(rest)} {group}".strip())
    return " ".join(groups)


def digit_words(digits: str) -> str:
    """Return digits one by one, such as "zero seven" for "07"."""
    return " ".join(_SMALL[int(digit)] for digit in digits)


def ordinal_words(digits: str) -> str:
    """Return a place in an order, such as "twenty first" for "21"."""
    *before, last = number_words(digits).split()
    if last.endswith("y"):
        last = last[:-1] + "ieth"
    else:
        last = _ORDINALS.get(last, last + "th")
    return " ".join((*before, last))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if rest >= len(_SMALL):
        tens, ones = divmod(rest, 10)
        words.append(_TENS[tens])
        rest = ones
    if rest:
        words.append(_SMALL[rest])
    return " ".join(words)
