"""A model's version: a short hash of its file, and of the weights that lie in files beside it.

An ONNX file may keep its tensors in other files ("external data"). Their content belongs to the
model as much as the graph does, so they are part of the hash. The file is read as Protocol Buffers
of onnx.proto without the package onnx: only the names of those files are looked for, and tensors
are skipped, so a file of gigabytes is read once, for its hash.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from models.base import ModelError

_DIGITS = 12
#: What transformers-style folders hold beside the weights: classes, sizes, normalization, labels.
_DECISIVE_FILES = ("config.json", "preprocessor_config.json", "classes.txt")
#: What a folder tells people about the model.
_TOLD_FILES = ("card.md", "README.md", "quality.json")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL_DATA, _KEY, _VALUE = 13, 1, 2

#: The messages on the way to a tensor: field number -> message in it. onnx.proto, IR version 13.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {
        **{5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
        **{22: "sparse", 23: "sparse"},
    },
    "function": {7: "node"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
    "tensor": {_EXTERNAL_DATA: "entry"},
}
Buffer: TypeAlias = bytes | mmap.mmap


def content_version(path: Path, beside: Sequence[Path] = ()) -> str:
    """Return the first 12 hex digits of the SHA-256 of a model's content.

    For a file without external data this is the hash of the file. Otherwise it is the hash of the
    file's hash and the name and hash of each external file, by name. External files that are
    absent or outside of the model's folder are left out: opening the model reports them.

    Args:
        path: the model's file.
        beside: other files that decide an answer, counted by name and content; absent ones are
            left out.

    Raises:
        ModelError: the file is absent or can't be read.
    """
    try:
        digest = _digest(path)
        others = [*external_files(path), *(file for file in beside if file.is_file())]
        if not others:
            return digest[:_DIGITS]
        lines = [digest, *_named_digests(others)]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"model file {path}: {reason}: correct the model's path") from error
    return _short_hash(lines)


def folder_version(folder: Path, weights: Path | None = None) -> str:
    """Return the first 12 hex digits of the SHA-256 of the files in a folder that decide an answer.

    They are the weights in safetensors, all shards of them, and `config.json`,
    `preprocessor_config.json` and `classes.txt`. Each counts with its name and content; the
    folder's own name and place don't.

    Args:
        folder: holds the files; of the named ones, those that are absent are left out.
        weights: a file to read the weights from; None: every *.safetensors in the folder.

    Raises:
        ModelError: a file can't be read.
    """
    read = sorted(folder.glob("*.safetensors")) if weights is None else [weights]
    named = [folder / name for name in _DECISIVE_FILES]
    try:
        return _short_hash(_named_digests([*read, *(file for file in named if file.is_file())]))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"model folder {folder}: {reason}: correct the model's path") from error


def folder_content_version(folder: Path) -> str:
    """Return the first 12 hex digits of the SHA-256 of everything in a folder that decides answers.

    These are all files but the card and the measured quality, with their places in the folder.

    Raises:
        ModelError: a file can't be read.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name not in _TOLD_FILES
    )
    try:
        return _short_hash(f"{file.relative_to(folder)}:{_digest(file)}" for file in files)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelError(f"model folder {folder}: {reason}: correct the model's path") from error


def external_files(path: Path) -> list[Path]:
    """Return the existing files in the model's folder that an ONNX file refers to, by name.

    A file that is no ONNX model refers to none.

    Raises:
        OSError: the file is absent or can't be read.
    """
    folder = path.resolve().parent
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                names = set(_locations(content, 0, len(content), "model"))
            except (
                ValueError,
                IndexError,
                RecursionError,
            ):  # no Protocol Buffers: ONNX Runtime will refuse it
                return []
    files = [folder / name for name in sorted(names)]
    return [f for f in files if f.is_file() and f.resolve().is_relative_to(folder)]


def _short_hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_DIGITS]


def _named_digests(files: Iterable[Path]) -> list[str]:
    return [f"{file.name}:{_digest(file)}" for file in files]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locations(content: Buffer, start: int, end: int, message: str) -> Iterator[str]:
    """Yield the `location` of each tensor with external data in a message of onnx.proto."""
    below = _MESSAGES[message]
    for number, first, last in _fields(content, start, end):
        if number not in below:
            continue
        if below[number] == "entry":
            fields = {n: content[a:b].decode() for n, a, b in _fields(content, first, last)}
            if fields.get(_KEY) == "location":
                yield fields.get(_VALUE, "")
        else:
            yield from _locations(content, first, last, below[number])


def _fields(content: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field of bytes in a message; other fields are skipped.

    Raises:
        ValueError: not Protocol Buffers.
    """
    at = start
    while at < end:
        tag, at = _varint(content, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(content, at)
        elif kind == _BYTES:
            size, at = _varint(content, at)
            if at + size > end:
                raise ValueError("a field is longer than its message")
            yield tag >> 3, at, at + size
            at += size
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")


def _varint(content: Buffer, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("a number has more than ten bytes")
