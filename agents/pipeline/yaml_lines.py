"""YAML that remembers where each value stands, so that an error can name its line.

Only YAML 1.2's core schema: `true`, `no` and `0123` mean what they look like (in YAML 1.1 the
last two are a truth value and the number 83). No tags, so nothing is ever constructed from a
file but texts, numbers, truth values, nulls, lists and mappings.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec
import yaml

#: Keys and list indices from the document's root to a value.
Path: TypeAlias = tuple[str | int, ...]

MAX_NODES = 20_000
"""Aliases count each time they are used, so this also ends the "billion laughs"."""
MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 40
"""In characters; what is longer is a text (Python takes quadratic time to read long integers)."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


class Place(msgspec.Struct, frozen=True):
    """A position in the file; both count from 1."""

    line: int
    column: int


class DocumentError(ValueError):
    """The text is not a YAML document as we read it."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class Document(msgspec.Struct):
    """A YAML document's value, and where its keys and values stand."""

    value: Any
    places: dict[Path, Place]
    """Of each value, by its path; a mapping's entry also under its key in `key_places`."""
    key_places: dict[Path, Place]

    def place(self, path: Path, is_about_key: bool = False) -> Place:
        """Return where that value or key stands; of one that doesn't, where its parent does."""
        if not is_about_key and path in self.places:
            return self.places[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.key_places.get(path) or self.places[path]


def read_document(text: str) -> Document:
    """Read one YAML document.

    Raises:
        DocumentError: not YAML, empty, a key twice, a tag, or over a limit.
    """
    reader = _Reader()
    root = _compose(text)
    return Document(reader.value(root, ()), reader.places, reader.key_places)


def read_scalar(text: str) -> Any:
    """Return the text, whole number, number, truth value or null that an unquoted scalar means."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if len(text) > MAX_NUMBER_LENGTH:
        return text
    if _INT.fullmatch(text):
        return int(text)
    # 007 and 0123.5 are texts: a number that would not print as it was written is a trap.
    if _FLOAT.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        return float(text)
    return text


def _compose(text: str) -> yaml.Node:
    try:
        # BaseLoader resolves no types and constructs nothing: types are `read_scalar`'s.
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        what = " ".join(filter(None, (error.context, error.problem)))
        raise DocumentError(f"not YAML: {what}", _place(error.problem_mark)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(f"not YAML: {str(error).splitlines()[0]}", Place(line, 1)) from error
    except RecursionError as error:
        raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", Place(1, 1)) from error
    if root is None:
        raise DocumentError("the file is empty", Place(1, 1))
    return root


def _place(mark: yaml.Mark | None) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


class _Reader:
    """Turns nodes into values and writes down where each stood."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.key_places: dict[Path, Place] = {}
        self._num_nodes = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        """Return the node's value, and that of everything below it."""
        self.places[path] = place = _place(node.start_mark)
        self._check_limits(path, place)
        if node.tag not in _PLAIN_TAGS:
            raise DocumentError(f"the tag {node.tag!r}: expected a value without a tag", place)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return read_scalar(node.value) if is_plain else node.value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, place = self._key(key_node), _place(key_node.start_mark)
            if key in found:
                first = self.key_places[*path, key].line
                raise DocumentError(f"the key {key!r} stands here and in line {first}", place)
            self.key_places[*path, key] = place
            found[key] = self.value(value_node, (*path, key))
        return found

    def _key(self, node: yaml.Node) -> str:
        place = _place(node.start_mark)
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _PLAIN_TAGS:
            raise DocumentError("expected a key of plain text", place)
        if node.value == "<<" and node.style is None:
            raise DocumentError("merge keys (<<) are not read: write the keys out", place)
        return str(node.value)

    def _check_limits(self, path: Path, place: Place) -> None:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES} values, aliases followed", place)
        if len(path) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", place)
