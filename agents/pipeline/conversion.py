"""Plain values into settings structs: every mistake found, each with the path to it.

msgspec checks all of this too, but stops at the first mistake and names a mapping's key `[...]`.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from agents.pipeline.yaml_lines import Path

#: A settings' pattern -> what it means to people.
PATTERN_WORDS = {
    r"^[A-Za-z0-9._-]{1,200}$": "1 to 200 letters, digits, '.', '_' or '-'",
    r"^(auto|cpu|cuda(:\d+)?)$": "auto, cpu, cuda or cuda:N",
}
_TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "a truth value",
    "object": "a mapping",
    "array": "a list",
}


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with one value, and where."""

    path: Path
    message: str
    is_about_key: bool = False
    """Points at the entry's key rather than at its value."""


class Shaper:
    """Converts values and collects mistakes rather than raising.

    Args:
        texts: paths of values that came as text from outside the file (environment, secret
            files), where `"64"` stands for the number 64 if a number is expected.
    """

    def __init__(self, texts: frozenset[Path] = frozenset()) -> None:
        self.mistakes: list[Mistake] = []
        self._texts = texts

    def convert(self, value: Any, wanted: Any, path: Path = ()) -> Any:
        """Return the value as the wanted type; meaningless if `mistakes` grew."""
        if isinstance(value, dict):
            for branch in branches(wanted):
                if isinstance(branch, type) and issubclass(branch, msgspec.Struct):
                    return self._struct(value, branch, path)
                if get_origin(branch) is dict and value:
                    return self._mapping(value, branch, path)
        return self._leaf(value, wanted, path)

    def _struct(self, value: dict[str, Any], wanted: type[Any], path: Path) -> Any:
        hints = get_type_hints(wanted, include_extras=True)
        fields = msgspec.structs.fields(wanted)
        self._check_keys(value, fields, path)
        converted = {
            f.name: self.convert(value[f.name], hints[f.name], (*path, f.name))
            for f in fields
            if f.name in value
        }
        is_whole = all(f.name in converted for f in fields if f.required)
        return wanted(**converted) if is_whole else None

    def _check_keys(self, value: dict[str, Any], fields: Iterable[Any], path: Path) -> None:
        names = [field.name for field in fields]
        hints = {key: did_you_mean(key, names) for key in value if key not in names}
        for key, hint in hints.items():
            self.mistakes.append(Mistake((*path, key), f"unknown key{hint}", is_about_key=True))
        for field in fields:
            # A required key that was only misspelt is told once, not twice.
            is_misspelt = any(f"'{field.name}'" in hint for hint in hints.values())
            if field.required and field.name not in value and not is_misspelt:
                message = f"the key '{field.name}' is missing"
                self.mistakes.append(Mistake(path, message, is_about_key=True))

    def _mapping(self, value: dict[str, Any], wanted: Any, path: Path) -> dict[str, Any]:
        key_type, value_type = get_args(wanted)
        for key in value:
            message = _mistake(key, key_type, is_text=False)
            if message:
                self.mistakes.append(Mistake((*path, key), message, is_about_key=True))
        return {k: self.convert(v, value_type, (*path, k)) for k, v in value.items()}

    def _leaf(self, value: Any, wanted: Any, path: Path) -> Any:
        is_text = path in self._texts
        message = _mistake(value, wanted, is_text)
        if message:
            self.mistakes.append(Mistake(path, message))
            return None
        return msgspec.convert(value, wanted, strict=not is_text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a phrase that names the nearest known word, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean '{close[0]}'?" if close else f": expected one of {', '.join(known)}"


def branches(wanted: Any) -> tuple[Any, ...]:
    """Return what a union is made of, or the type alone; without annotations."""
    is_union = get_origin(wanted) in (Union, types.UnionType)
    parts = get_args(wanted) if is_union else (wanted,)
    return tuple(get_args(p)[0] if get_origin(p) is Annotated else p for p in parts)


def _mistake(value: Any, wanted: Any, is_text: bool) -> str:
    """Return what is wrong with the value in words, "" if nothing is."""
    try:
        msgspec.convert(value, wanted, strict=not is_text)
    except msgspec.ValidationError as error:
        return _in_words(str(error), wanted)
    return ""


def _in_words(message: str, wanted: Any) -> str:
    """Say msgspec's message in YAML's words. The value itself stays out: it may be a secret."""
    if message.startswith("Invalid enum value"):
        return f"expected one of {', '.join(get_args(wanted))}"
    for pattern, words in PATTERN_WORDS.items():
        if repr(pattern) in message:
            return f"expected {words}"
    message = message.partition(" - at ")[0]
    if "of length >= 1" in message:
        return "expected at least one entry"
    expected, _, found = message.replace("`", "").removeprefix("Expected ").partition(", got ")
    kinds, *limit = expected.split(" >", 1) if " >" in expected else expected.split(" <", 1)
    sign = ">" if " >" in expected else "<"
    words = " or ".join(_TYPE_WORDS.get(kind, kind) for kind in kinds.split(" | "))
    words += "".join(f" {sign}{part}" for part in limit)
    return f"expected {words}" + (f", got {_TYPE_WORDS.get(found, 'nothing')}" if found else "")
