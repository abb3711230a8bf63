"""Plain values into settings: pydantic checks them, and each error becomes a `Mistake`.

pydantic finds every mistake at once. Here its errors get the path of the value in the file, the
words that a YAML file's author knows, and a near name for a misspelled key. A value never becomes
part of a message: it may be a secret.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from agents.pipeline.yaml_lines import Path, read_scalar
from streams.settings import PipelineSettings

#: pydantic's type of an error -> what it expected.
_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "a truth value",
    "dataclass_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", ">="),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "<="),
}
_SCALAR_TYPES = ("int_type", "float_type", "bool_type")
_PIPELINE = TypeAdapter(PipelineSettings)


class Mistake(NamedTuple):
    """One thing that is wrong with a value, and where."""

    path: Path
    message: str
    is_about_key: bool = False
    """Whether its place is the entry's key rather than the value."""


def validate(value: dict[str, Any], texts: frozenset[Path]) -> PipelineSettings | list[Mistake]:
    """Return the settings that the value describes, or every mistake in it.

    Args:
        value: mappings, lists and scalars, as a pipeline file has them.
        texts: paths of values that came as text from outside the file (environment, secret
            files): there `"64"` stands for the number 64 if a number is expected.
    """
    try:
        return _checked(value)
    except ValidationError as error:
        value = _with_scalars(value, error, texts)
    try:
        return _checked(value)
    except ValidationError as error:
        return list(_mistakes(value, error))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a phrase that names the nearest known word, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f": did you mean '{close[0]}'?" if close else f": expected one of {', '.join(known)}"


def branches(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type alone; without `Annotated`."""
    if get_origin(annotation) is Annotated:
        return branches(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(branch for part in get_args(annotation) for branch in branches(part))
    return (annotation,)


def type_below(annotation: Any, key: str | int) -> Any:
    """Return the type that a value of the annotated type has under a key; None: it has no such."""
    for branch in branches(annotation):
        if dataclasses.is_dataclass(branch):
            return get_type_hints(branch, include_extras=True).get(str(key))
        if get_origin(branch) is (list if isinstance(key, int) else dict):
            return get_args(branch)[-1]
    return None


def _checked(value: Any) -> PipelineSettings:
    # pydantic's strict mode takes a mapping for a dataclass only from JSON.
    return _PIPELINE.validate_json(json.dumps(value), strict=True)


def _with_scalars(
    value: dict[str, Any], error: ValidationError, texts: frozenset[Path]
) -> dict[str, Any]:
    """Return the value with texts from outside read as scalars where a text does not fit."""
    copied: dict[str, Any] = json.loads(json.dumps(value))
    for entry in error.errors(include_url=False, include_context=False):
        path = _located(entry["loc"], value)[0]
        if path in texts and entry["type"] in _SCALAR_TYPES:
            parent = _at(copied, path[:-1])
            parent[path[-1]] = read_scalar(_at(value, path))
    return copied


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


class _Entry(NamedTuple):
    """One of pydantic's errors, with its place in the value."""

    path: Path
    union: Path | None
    """The path of the union that the error is about one branch of."""
    fits: bool
    """Whether the value is of the kind (text, list, mapping) that the branch takes."""
    error: Any

    @property
    def expected(self) -> str | None:
        return _EXPECTED.get(self.error["type"])


def _located(location: tuple[str | int, ...], value: Any) -> tuple[Path, Path | None, bool]:
    """Return the path in the value, the union's path, and whether the union's branch fits.

    pydantic puts the name of a union's branch into the location: `model`, `ModelSettings`, `name`.
    """
    path: Path = ()
    union, fits, here = None, True, value
    for part in location:
        is_below = isinstance(here, dict | list)
        if is_below and (part in here if isinstance(here, dict) else isinstance(part, int)):
            path, here = (*path, part), here[part]
        elif part != "[key]" and type_below(_type_at(path), part) is None:
            union, fits = path, _kind(str(part)) is type(here)
    return path, union, fits


def _kind(branch: str) -> type:
    """Return the kind of value that a union's branch takes."""
    if branch.startswith("list["):
        return list
    return dict if branch.endswith("Settings") else str


def _type_at(path: Path) -> Any:
    annotation: Any = PipelineSettings
    for key in path:
        annotation = type_below(annotation, key)
    return annotation


def _mistakes(value: Any, error: ValidationError) -> Iterator[Mistake]:
    errors = error.errors(include_url=False, include_input=False)
    entries = [_Entry(*_located(entry["loc"], value), entry) for entry in errors]
    fitting = {entry.union for entry in entries if entry.fits and entry.union is not None}
    entries = [e for e in entries if e.union is None or e.fits or e.union not in fitting]
    hints = {e.error["loc"]: _unknown_key_hint(e) for e in entries if _is_unknown_key(e)}
    seen: set[Path] = set()
    for entry in entries:
        path, name = entry.path, str(entry.error["loc"][-1])
        if entry.error["type"] == "missing":
            # A required key that was only misspelled is reported once, not twice.
            if not any(f"'{name}'" in hint for hint in hints.values()):
                yield Mistake(path, f"the key '{name}' is missing", is_about_key=True)
        elif entry.error["loc"] in hints:
            yield Mistake(path, f"unknown key{hints[entry.error['loc']]}", is_about_key=True)
        elif entry.expected is None:
            yield Mistake(path, _message(entry.error), is_about_key=name == "[key]")
        elif path not in seen:
            seen.add(path)
            kinds = [e.expected for e in entries if e.path == path and e.expected]
            *others, last = dict.fromkeys(kinds)
            expected = f"{', '.join(others)} or {last}" if others else last
            yield Mistake(path, f"expected {expected}, got {_kind_words(_at(value, path))}")


def _is_unknown_key(entry: _Entry) -> bool:
    return bool(entry.error["type"] == "unexpected_keyword_argument")


def _unknown_key_hint(entry: _Entry) -> str:
    for branch in branches(_type_at(entry.path[:-1])):
        if dataclasses.is_dataclass(branch):
            known = [field.name for field in dataclasses.fields(branch)]
            return did_you_mean(str(entry.path[-1]), known)
    return ""


def _message(error: Any) -> str:
    """Return what was expected, in the words of YAML and of the settings."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        key, sign = _BOUNDS[kind]
        bound = context[key]
        if isinstance(bound, int):
            return f"expected a whole number {sign} {bound}"
        return f"expected a number {sign} {bound:g}"
    if kind == "literal_error":
        allowed = re.findall("'([^']*)'", context["expected"])
        return f"expected one of {', '.join(allowed)}"
    if kind == "pattern":
        return f"expected {context['meaning']}"
    if kind == "too_short":
        return "expected at least one entry"
    return str(error["msg"])


def _kind_words(value: Any) -> str:
    """Return the kind of a value in words."""
    if value is None:
        return "nothing"
    words = {bool: "a truth value", int: "a whole number", float: "a number", str: "a text",
             list: "a list", dict: "a mapping"}  # fmt: skip
    return words[type(value)]
