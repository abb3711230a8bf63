"""Paths into a value: `data.temp`, `data["odd name"]`, `readings[0]`, `$key`, `$header.NAME`.

`attributes[key == "host"].value` is the entry of a list whose `key` is "host".

A path starts at the value (with `each`: at one reading). `$value` is the whole value, `$key`,
`$timestamp` and `$header.NAME` are the record's, `$envelope` is the envelope around the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from schemas.errors import SchemaError
from schemas.mapping.describe import found

#: Names that start at the record rather than at the value.
ROOTS = ("$value", "$key", "$header", "$timestamp", "$envelope")

_NAME = re.compile(r"[^\s.\[\]\"'$(),<>=!&|]+")
_INDEX = re.compile(r"\[(-?\d{1,9})\]")
_QUOTED = re.compile(r"\[\s*(?:\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)')\s*\]")
_ENTRY = re.compile(
    r"\[\s*([^\s.\[\]\"'$(),<>=!&|]+)\s*==\s*(?:\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)')\s*\]"
)
_MAX_CHARS = 1000


class Scope(NamedTuple):
    """What the paths of one record can reach beside the value."""

    value: Any
    """The whole value, within its envelope."""
    envelope: Any
    """The envelope as an object; None without one."""
    key: str | None
    """The record's key as text."""
    headers: Mapping[str, bytes]
    timestamp_ms: int


#: Takes a value (with `each`: one reading) and the record's scope; None for absent and for null.
Getter: TypeAlias = Callable[[Any, Any], Any]


class PathError(ValueError):
    """Not a path; the message says where it goes wrong."""


class Entry(NamedTuple):
    """A step to the one entry of a list whose `name` is `text`."""

    name: str
    text: str

    def of(self, entries: list[Any]) -> Any:
        """Return the entry; None: there is none.

        Raises:
            SchemaError: there are several, so that nobody can know which is meant.
        """
        found = [e for e in entries if isinstance(e, dict) and e.get(self.name) == self.text]
        if len(found) > 1:
            raise SchemaError(f"{len(found)} entries have {self.name} {self.text!r}, expected one")
        return found[0] if found else None


Step: TypeAlias = str | int | Entry


class FieldPath(NamedTuple):
    """A parsed path."""

    text: str
    root: str
    """One of `ROOTS`, or "" for the value or reading itself."""
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """The last name in the path: what a channel is called by default."""
        names = [step for step in self.steps if isinstance(step, str)]
        return names[-1] if names else self.root.removeprefix("$") or "value"

    @property
    def is_plain(self) -> bool:
        """Whether it needs nothing but the value or reading."""
        return self.root == ""

    @property
    def is_text(self) -> bool:
        """Whether what it reaches is always text, so that numbers are written as text too."""
        return self.root in ("$key", "$header")


def parse_path(text: str) -> FieldPath:
    """Parse a path.

    Raises:
        PathError: it is no path.
    """
    path, end = scan_path(text.strip(), 0)
    if end < len(text.strip()):
        raise PathError(f"{text!r}: can't read {text.strip()[end:]!r} as a part of a path")
    return path


def scan_path(text: str, start: int) -> tuple[FieldPath, int]:
    """Parse the path that starts at a position; return it and where it ends.

    Raises:
        PathError: no path starts there.
    """
    if len(text) > _MAX_CHARS:
        raise PathError(f"a path has at most {_MAX_CHARS} characters")
    root = next((r for r in ROOTS if re.match(re.escape(r) + r"(?![\w])", text[start:])), "")
    at, steps = start + len(root), list[Step]()
    while at < len(text):
        step, at_next = _scan_step(text, at, is_first=not root and not steps)
        if step is None:
            break
        steps.append(step)
        at = at_next
    if at == start:
        raise PathError(f"{text[start:]!r}: expected a path such as data.temperature or $key")
    path = FieldPath(text[start:at], root, tuple(steps))
    _check_root(path)
    return path, at


def _scan_step(text: str, at: int, *, is_first: bool) -> tuple[Step | None, int]:
    if match := _INDEX.match(text, at):
        return int(match[1]), match.end()
    if match := _QUOTED.match(text, at):
        return _unquoted(match[1], match[2]), match.end()
    if match := _ENTRY.match(text, at):
        return Entry(match[1], _unquoted(match[2], match[3])), match.end()
    if text[at] == "[":
        expected = 'a number, a quoted name or key == "text", then ]'
        raise PathError(f"{text!r}: after [ expected {expected}")
    if text[at] == "." and is_first:
        raise PathError(f"{text!r}: a path starts with a name, not with a dot")
    if text[at] == ".":
        at += 1
        is_first = True
        if not _NAME.match(text, at):
            raise PathError(f'{text!r}: after . expected a name (odd ones: a["odd name"])')
    match = _NAME.match(text, at) if is_first else None
    return (match[0], match.end()) if match else (None, at)


def _unquoted(double: str | None, single: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", (double if double is not None else single) or "")


def _check_root(path: FieldPath) -> None:
    if path.root in ("$key", "$timestamp") and path.steps:
        raise PathError(f"{path.text!r}: {path.root} has nothing below it")
    if path.root == "$header" and (len(path.steps) != 1 or not isinstance(path.steps[0], str)):
        raise PathError(f"{path.text!r}: expected the name of one header, as $header.device")


def compile_path(path: FieldPath) -> Getter:
    """Return the function that follows a path; it returns None for what is absent or null.

    The function raises a `SchemaError` if something on the way is neither an object (or list) nor
    absent: the value has another shape than the path expects.
    """
    root = {
        "$key": lambda item, scope: scope.key,
        "$timestamp": lambda item, scope: scope.timestamp_ms if scope.timestamp_ms > 0 else None,
        "$value": lambda item, scope: scope.value,
        "$envelope": lambda item, scope: scope.envelope,
    }.get(path.root)
    if path.root == "$header":
        return _header_getter(path)
    if root is not None:
        return _below(root, path) if path.steps else root
    if len(path.steps) == 1 and isinstance(path.steps[0], str):
        return _one_name(path, path.steps[0])
    return _below(lambda item, scope: item, path)


def _one_name(path: FieldPath, name: str) -> Getter:
    """Return the getter of the most frequent kind of path, without a loop."""

    def get(item: Any, scope: Any) -> Any:
        try:
            return item.get(name)
        except AttributeError:
            raise _wrong_shape(path, 0, item) from None

    return get


def _below(root: Getter, path: FieldPath) -> Getter:
    steps = path.steps

    def get(item: Any, scope: Any) -> Any:
        value = root(item, scope)
        for i, step in enumerate(steps):
            if value is None:
                return None
            if isinstance(step, str):
                if not isinstance(value, dict):
                    raise _wrong_shape(path, i, value)
                value = value.get(step)
            elif not isinstance(value, list):
                raise _wrong_shape(path, i, value)
            elif isinstance(step, int):
                value = value[step] if -len(value) <= step < len(value) else None
            else:
                value = _entry(path, i, step, value)
        return value

    return get


def _entry(path: FieldPath, position: int, step: Entry, entries: list[Any]) -> Any:
    try:
        return step.of(entries)
    except SchemaError as error:
        raise SchemaError(f"{path.text}: {_joined(path, position)}: {error}") from None


def _wrong_shape(path: FieldPath, position: int, value: Any) -> SchemaError:
    step = path.steps[position]
    above = _joined(path, position)
    expected = (
        f"an object with {step!r}"
        if isinstance(step, str)
        else f"a list with an entry {_bare(step)}"
    )
    return SchemaError(f"{path.text}: {above} is {found(value)}, expected {expected}")


def _joined(path: FieldPath, num_steps: int) -> str:
    steps = path.steps[:num_steps]
    parts = [f".{step}" if isinstance(step, str) else f"[{_bare(step)}]" for step in steps]
    return (path.root + "".join(parts)).removeprefix(".") or "the value"


def _bare(step: int | Entry) -> str:
    return str(step) if isinstance(step, int) else f"{step.name} == {step.text!r}"


def _header_getter(path: FieldPath) -> Getter:
    name = str(path.steps[0])

    def get(item: Any, scope: Any) -> Any:
        raw = scope.headers.get(name)
        if raw is None:
            return None
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise SchemaError(
                f"{path.text}: the header is not UTF-8 text: {raw[:8].hex(' ')}"
            ) from None

    return get
