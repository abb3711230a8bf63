"""Read rows of CSV and JSON lines files, plain or gzipped, and convert their cells."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from agents.commands.produce.sources.source import SourceError

Row: TypeAlias = dict[str, Any]

DELIMITERS = ",;\t|"
#: A time written as a number is in seconds below this value, else in milliseconds. In seconds it
#: is the year 5138, in milliseconds March 1973.
_FIRST_MILLISECONDS = 1e11


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 file, unpacked if its name ends in `.gz`; a byte order mark is skipped.

    Raises:
        SourceError: there is no such file.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    if path.suffix == ".gz":
        return cast(IO[str], gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def content_suffix(path: Path) -> str:
    """Return the suffix of a file's content: `.csv` for `a.csv.gz`."""
    return (Path(path.stem) if path.suffix == ".gz" else path).suffix.lower()


def name_of(path: Path) -> str:
    """Return a file's name without any suffix: the default source id."""
    return path.name.split(".")[0] or path.name


def read_rows(
    path: Path, *, delimiter: str = "", names: Sequence[str] = ()
) -> Iterator[tuple[int, Row]]:
    """Yield each row with its line number, from 1.

    Args:
        path: `.jsonl`, `.ndjson` or `.json` is read as JSON lines, anything else as CSV.
        delimiter: of a CSV; "": the one of `DELIMITERS` that is most frequent in its first line.
        names: the columns' names, for a CSV without a header line.

    Raises:
        SourceError: there is no such file, or a line can't be read; the message gives its number.
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


def to_number(cell: Any) -> float | None:
    """Return a cell's number; NaN if it is empty, None if it is not a number."""
    if cell is None or cell == "":
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def all_numbers(cells: Iterable[Any]) -> bool:
    """Return whether every cell is a number or empty, and at least one is a finite number."""
    numbers = [to_number(cell) for cell in cells]
    return None not in numbers and any(n is not None and math.isfinite(n) for n in numbers)


def to_time_ms(cell: Any) -> int:
    """Convert ISO 8601 text (UTC by default) or a number to milliseconds since 1970.

    Raises:
        ValueError: it is neither of them, or before 1970.
    """
    number = to_number(cell)
    if number is None:
        return _iso_to_ms(str(cell))
    if not 0 <= number < 2**53:
        raise ValueError(f"{cell!r} is not a time since 1970")
    return round(number if number >= _FIRST_MILLISECONDS else number * 1000)


def _iso_to_ms(text: str) -> int:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text[:40]!r} is not a time: expected ISO 8601, or seconds or milliseconds since 1970"
        ) from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time.year < 1970:
        raise ValueError(f"{text[:40]!r} is before 1970")
    return round(time.timestamp() * 1000)
