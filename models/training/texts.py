"""Read a user's texts: with labels as CSV or JSON lines, or without as plain lines."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.base import ModelError

Pairs = list[tuple[str, str]]
#: Names of the column with the label, the first one that is there.
_LABELS = ("label", "intent")


def read_labeled(path: Path) -> Pairs:
    """Read (text, label) of a CSV file with a header, or of JSON lines; both may be gzipped.

    The fields are `text` and `label` (or `intent`); others, and blank lines, are skipped.

    Raises:
        ModelError: the file is absent, or a row is invalid; the message has its number.
    """
    rows = [
        _pair(row, f"{path}, line {number}")
        for number, row in (
            _csv_rows(path) if _kind(path) in (".csv", ".tsv") else _json_rows(path)
        )
    ]
    if not rows:
        raise ModelError(f"{path}: no text in it")
    return rows


def read_plain(path: Path) -> list[str]:
    """Return the distinct texts of a file: one a line, or the field `text` of CSV or JSON lines.

    Raises:
        ModelError: the file is absent or holds no text.
    """
    if _kind(path) in (".csv", ".tsv"):
        texts: Iterator[object] = (row.get("text") for _, row in _csv_rows(path))
    elif _kind(path) in (".jsonl", ".json"):
        texts = (row.get("text") for _, row in _json_rows(path))
    else:
        texts = (line.strip() for line in _lines(path))
    found = list(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))
    if not found:
        raise ModelError(f"{path}: no text in it")
    return found


def _kind(path: Path) -> str:
    return Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()


def _lines(path: Path) -> list[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
                return file.read().splitlines(keepends=True)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read().splitlines(keepends=True)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ModelError(f"can't read {path}: {error}") from error


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    reader = csv.DictReader(
        _lines(path), delimiter="\t" if _kind(path) == ".tsv" else ",", strict=True
    )
    try:
        if "text" not in (reader.fieldnames or ()):
            raise ModelError(
                f"{path}: its columns are {', '.join(reader.fieldnames or ()) or 'none'}: expected "
                "a first line with `text` and `label`"
            )
        for row in reader:
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise ModelError(f"{path}, line {reader.line_num}: not CSV: {error}") from error


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ModelError(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise ModelError(f"{path}, line {number}: expected an object with `text` and `label`")
        yield number, row


def _pair(row: dict[str, object], where: str) -> tuple[str, str]:
    text = row.get("text")
    label = next((row[name] for name in _LABELS if row.get(name) is not None), None)
    if not (isinstance(text, str) and isinstance(label, str) and text.strip() and label.strip()):
        raise ModelError(f"{where}: expected `text` and `label` to be texts, not empty")
    return text, label.strip()


def take(pairs: Pairs, rows: Sequence[int]) -> Pairs:
    """Return the pairs of these rows."""
    return [pairs[row] for row in rows]
