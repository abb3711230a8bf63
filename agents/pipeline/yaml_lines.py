"""YAML 1.2 that keeps the line and column of each key and value, so that errors can name them.

ruamel.yaml parses; types are those of YAML 1.2's core schema, less what surprises people: `no` is a
text, and so is `0123`, which would not print as it was written. Tags and merge keys are refused, so
a file can hold only texts, numbers, truth values, nulls, lists and mappings.
"""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter
from ruamel.yaml.resolver import VersionedResolver

#: Keys and list indices from the document's root to a value.
Path: TypeAlias = tuple[str | int, ...]

MAX_NODES = 20_000
"""Aliases count each time they are used, so this also ends the "billion laughs"."""
MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 40
"""In characters; longer digits are a text (Python takes quadratic time to read long integers)."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}
_DEFAULT_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


class Place(NamedTuple):
    """A position in the file; both count from 1."""

    line: int
    column: int


class DocumentError(ValueError):
    """The text is not a YAML document that a pipeline file may be."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class Document(NamedTuple):
    """A YAML document's value, and the places of its keys and values."""

    value: Any
    places: dict[Path, Place]
    """The place of each value, by the value's path."""
    key_places: dict[Path, Place]
    """The place of each mapping entry's key, by the path of the entry's value."""

    def place(self, path: Path, is_about_key: bool = False) -> Place:
        """Return the place of a value or its key; where it is absent, that of the parent's key."""
        if not is_about_key and path in self.places:
            return self.places[path]
        while path and path not in self.places:
            path = path[:-1]
        return self.key_places.get(path) or self.places[path]


def read_document(text: str) -> Document:
    """Read one YAML document.

    Raises:
        DocumentError: not YAML, empty, a duplicate key, a tag, or over a limit.
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
    return float(text) if _FLOAT.fullmatch(text) else text


class _Representer(SafeRepresenter):
    """Quotes each text that would be read as something else."""

    def represent_str(self, data: str) -> Any:
        style = None if read_scalar(data) == data else "'"
        style = style if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Representer.add_representer(str, _Representer.represent_str)


def write_document(value: Any) -> str:
    """Return mappings, lists and scalars as YAML, which readers of 1.1 and 1.2 read alike."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.version = (1, 1)  # quotes `no` and `0123` too
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue().removeprefix("%YAML 1.1\n---\n")


class _Untyped(VersionedResolver):
    """Give every value without a tag its kind's default tag: `read_scalar` decides types."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        return super().resolve(kind, value, (False, False))


def _compose(text: str) -> Node:
    yaml = YAML(typ="safe", pure=True)
    yaml.Resolver = _Untyped
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise DocumentError(f"not YAML: {problem}", _place(error.problem_mark)) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(f"not YAML: {str(error).splitlines()[0]}", Place(line, 1)) from error
    except RecursionError as error:
        raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", Place(1, 1)) from error
    if root is None:
        raise DocumentError("the file is empty", Place(1, 1))
    return root


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


class _Reader:
    """Turns nodes into values and records the place of each."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self.key_places: dict[Path, Place] = {}
        self._num_nodes = 0

    def value(self, node: Node, path: Path) -> Any:
        """Return the node's value, and that of everything below it."""
        self.places[path] = place = _place(node.start_mark)
        self._check_limits(path, place)
        if node.tag not in _DEFAULT_TAGS:
            raise DocumentError(f"the tag {node.tag!r}: expected a value without a tag", place)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        is_plain = isinstance(node, ScalarNode) and not node.style
        return read_scalar(node.value) if is_plain else node.value

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, place = self._key(key_node), _place(key_node.start_mark)
            if key in values:
                first = self.key_places[*path, key].line
                raise DocumentError(f"the key {key!r} is in line {first} already", place)
            self.key_places[*path, key] = place
            values[key] = self.value(value_node, (*path, key))
        return values

    def _key(self, node: Node) -> str:
        place = _place(node.start_mark)
        if not isinstance(node, ScalarNode) or node.tag not in _DEFAULT_TAGS:
            raise DocumentError("expected a key of plain text", place)
        if node.value == "<<" and not node.style:
            raise DocumentError("merge keys (<<) are not supported: write the keys out", place)
        return str(node.value)

    def _check_limits(self, path: Path, place: Place) -> None:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES} values, aliases expanded", place)
        if len(path) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", place)
