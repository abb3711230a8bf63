"""Collects what stands under each path of a topic's sampled values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_MAX_DEPTH = 6


class Leaf(NamedTuple):
    """What stands under one path, over all values."""

    path: tuple[str, ...]
    values: list[Any]
    """Without those that are null or absent."""

    @property
    def name(self) -> str:
        """The last name, in lower case with underscores."""
        return _snake(self.path[-1])

    @property
    def name_above(self) -> str:
        """The name of the object that holds it, or ""."""
        return _snake(self.path[-2]) if len(self.path) > 1 else ""


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def leaves_of(items: Sequence[Any], skip: tuple[str, ...] | None = None) -> list[Leaf]:
    """Return each path that ends in no object, in the order of first appearance.

    Args:
        items: plain values.
        skip: a top-level path to leave out.
    """
    found: dict[tuple[str, ...], list[Any]] = {}
    for item in items:
        for path, value in _walk(item, ()):
            if path and path[:1] != skip:
                found.setdefault(path, []).append(value)
    return [Leaf(path, [v for v in values if v is not None]) for path, values in found.items()]


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and len(path) < _MAX_DEPTH:
        for name, below in value.items():
            yield from _walk(below, (*path, str(name)))
    else:
        yield path, value


def written(path: Sequence[str], root: str = "") -> str:
    """Return a path as the pipeline file has it."""
    text = root
    for name in path:
        if re.fullmatch(r"[\w-]+", name):
            text += f".{name}" if text else name
        else:
            escaped = name.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text
