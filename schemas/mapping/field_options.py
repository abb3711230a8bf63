"""Reads the options of one field of `fields:`, each checked when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import tzinfo
from types import UnionType
from typing import Any

from schemas.mapping import times
from schemas.mapping.paths import FieldPath, PathError, parse_path


class FieldsError(ValueError):
    """`fields:` is not right; `keys` leads to the entry, from `fields` down."""

    def __init__(self, keys: tuple[str | int, ...], message: str, is_about_key: bool = False):
        self.keys, self.is_about_key = keys, is_about_key
        super().__init__(message)


def path_of(text: Any, keys: tuple[str | int, ...]) -> FieldPath:
    """Parse a path of `fields:`; `keys` lead to it."""
    if not isinstance(text, str):
        raise FieldsError(keys, "expected a path such as data.temperature or $key")
    try:
        return parse_path(text)
    except PathError as error:
        raise FieldsError(keys, str(error)) from None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the end of a message: the known word that is most like this one, or all."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean '{close[0]}'?" if close else f": expected one of {', '.join(known)}"


class FieldOptions:
    """The options of one field, each checked when it is asked for."""

    def __init__(self, value: dict[str, Any], keys: tuple[str, ...], known: Iterable[str]) -> None:
        """Check that every option is known; `keys` lead to the field."""
        self._value, self._keys = value, keys
        for key in value:
            if key not in known:
                hint = did_you_mean(key, known)
                raise FieldsError((*keys, key), f"unknown key{hint}", True)

    def path(self, key: str) -> FieldPath:
        """Return an option that is a path."""
        return path_of(self._value.get(key), (*self._keys, key))

    def truth(self, key: str) -> bool:
        """Return an option that is true or false; false where it is not given."""
        return bool(self._of(key, bool, False, "true or false"))

    def text(self, key: str, default: str) -> str:
        """Return an option that is a text."""
        return str(self._of(key, str, default, "a text"))

    def whole(self, key: str, default: int) -> int:
        """Return an option that is a whole number above 0."""
        value = self._of(key, int, default, "a whole number above 0")
        if isinstance(value, bool) or value <= 0:
            raise FieldsError((*self._keys, key), "expected a whole number above 0")
        return int(value)

    def seconds(self, key: str, default: float) -> float:
        """Return an option that is a time above 0, in seconds, at most 600."""
        value = self._of(key, int | float, default, "a number of seconds, above 0, at most 600")
        if isinstance(value, bool) or not 0 < value <= 600:
            raise FieldsError(
                (*self._keys, key), "expected a number of seconds, above 0, at most 600"
            )
        return float(value)

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return an option that is a list of texts."""
        value = self._of(key, list, list(default), "a list of texts")
        if not all(isinstance(text, str) for text in value):
            raise FieldsError((*self._keys, key), "expected a list of texts")
        return tuple(value)

    def one_of(self, key: str, known: tuple[str, ...]) -> str:
        """Return an option that is one of some words, the first where it is not given."""
        value = self.text(key, known[0])
        if value not in known:
            raise FieldsError((*self._keys, key), f"expected one of {', '.join(known)}")
        return value

    def zone(self) -> tzinfo | None:
        """Return an option that is a time zone; None where it is not given."""
        text = self.text("zone", "")
        try:
            return times.parse_zone(text) if text else None
        except ValueError as error:
            raise FieldsError((*self._keys, "zone"), str(error)) from None

    def _of(self, key: str, kind: type | UnionType, default: Any, expected: str) -> Any:
        value = self._value.get(key, default)
        if not isinstance(value, kind):
            raise FieldsError((*self._keys, key), f"expected {expected}")
        return value
