"""Rows of CSV and JSON lines files, plain or gzipped, as dicts."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from agents.commands.produce.sources.source import SourceError

Row: TypeAlias = dict[str, Any]

DELIMITERS = ",;\t|"


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 file, through gzip where its name ends in `.gz`; a byte order mark is skipped.

    Raises:
        SourceError: there is no such file.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def content_suffix(path: Path) -> str:
    """Return what a file's name says of its content: `.csv` of `a.csv.gz`."""
    return (Path(path.stem) if path.suffix == ".gz" else path).suffix.lower()


def name_of(path: Path) -> str:
    """Return a file's name without any suffix: the source id where nothing else gives one."""
    return path.name.split(".")[0] or path.name


def read_rows(
    path: Path, *, delimiter: str = "", names: Sequence[str] = ()
) -> Iterator[tuple[int, Row]]:
    """Yield each row with its line number, from 1.

    Args:
        path: `.jsonl`, `.ndjson` or `.json` is read as JSON lines, anything else as CSV.
        delimiter: of a CSV; "": the one of `DELIMITERS` that its first line has most of.
        names: the columns' names, for a CSV without a header line.

    Raises:
        SourceError: no such file, or a line that can't be read; the message gives its number.
    """
    read = _read_json if content_suffix(path) in (".jsonl", ".ndjson", ".json") else _read_csv
    line = 0
    try:
        with open_text(path) as file:
            for line, row in read(file, delimiter, names):
                yield line, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{path}: can't be read after line {line}: {error}") from error


def _read_json(file: IO[str], _: str, __: Sequence[str]) -> Iterator[tuple[int, Row]]:
    for line, text in enumerate(file, start=1):
        if not text.strip():
            continue
        where = f"{file.name}, line {line}"
        try:
            row = json.loads(text)
        except (json.JSONDecodeError, RecursionError) as error:
            raise SourceError(f"{where}: not JSON: {error}") from error
        if not isinstance(row, dict):
            raise SourceError(f"{where}: expected a JSON object, not {text[:40]!r}")
        yield line, row


def _read_csv(file: IO[str], delimiter: str, names: Sequence[str]) -> Iterator[tuple[int, Row]]:
    first = file.readline()
    file.seek(0)
    delimiter = delimiter or max(DELIMITERS, key=first.count)
    reader = csv.DictReader(file, fieldnames=list(names) or None, delimiter=delimiter)
    for row in reader:
        if None in row:
            raise SourceError(
                f"{file.name}, line {reader.line_num}: {len(row[None])} more cells than columns"
            )
        yield reader.line_num, row
