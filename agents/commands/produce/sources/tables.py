"""Make sensor readings and behavior events from table rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from agents.commands.produce.sources.rows import (
    Row,
    all_numbers,
    name_of,
    read_rows,
    to_number,
    to_time_ms,
)
from agents.commands.produce.sources.source import SourceError
from schemas import BehaviorEvent, Event, InputError, SensorReading

E = TypeVar("E", bound=Event)

#: Lower-case names of the columns that hold the time, if none is given.
TIME_NAMES = ("event_time_ms", "timestamp", "datetime", "time", "date")
#: How many rows decide which columns hold numbers.
_NUM_SAMPLE_ROWS = 100


@dataclass(frozen=True)
class Columns:
    """The meaning of a table's columns; "" and (): found from its first rows."""

    time: str = ""
    """Holds the time: ISO 8601 (UTC by default), or seconds or milliseconds since 1970."""
    key: str = ""
    """Holds the source id."""
    values: tuple[str, ...] = ()
    """Hold the numbers; (): every other column that holds only numbers."""
    action: str = ""
    """Holds the action of behavior events; "": `constant_action`."""
    source_id: str = ""
    """Used if there is no key column; "": the file's name."""
    constant_action: str = "record"
    delimiter: str = ""
    """Of a CSV; "": the most frequent one in its first line."""
    names: tuple[str, ...] = ()
    """Names of all columns, for a CSV without a header line."""


def sensor_readings(path: Path, columns: Columns = Columns()) -> Iterator[SensorReading]:
    """Yield one reading per row, without empty cells; rows without any number are skipped.

    JSON lines that already are `SensorReading`s, with a `values` object, are not changed.

    Raises:
        SourceError: the file can't be read, or a cell is not a number; the message says where.
    """
    table = _Table(path, columns)
    for line, row in table:
        if isinstance(row.get("values"), dict):
            yield table.whole_event(line, row, SensorReading)
        elif values := table.numbers(line, row):
            yield SensorReading(
                source_id=table.source_id(line, row),
                event_time_ms=table.time_ms(line, row),
                values=values,
            )


def behavior_events(path: Path, columns: Columns = Columns()) -> Iterator[BehaviorEvent]:
    """Yield one event per row, like `sensor_readings` with `features` instead of `values`.

    Raises:
        SourceError: the file can't be read, or a cell is not a number; the message says where.
    """
    table = _Table(path, columns)
    for line, row in table:
        if isinstance(row.get("features"), dict):
            yield table.whole_event(line, row, BehaviorEvent)
        elif features := table.numbers(line, row):
            yield BehaviorEvent(
                source_id=table.source_id(line, row),
                event_time_ms=table.time_ms(line, row),
                action=table.action(line, row),
                features=features,
            )


class _Table:
    """The rows of a file, and the columns that were given or found."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path = path
        self._columns = columns
        rows = read_rows(path, delimiter=columns.delimiter, names=columns.names)
        first = list(itertools.islice(rows, _NUM_SAMPLE_ROWS))
        self._rows = itertools.chain(first, rows)
        names = list(dict.fromkeys(name for _, row in first for name in row))
        self._check_names(names)
        self._time = columns.time or next((n for n in names if n.lower() in TIME_NAMES), "")
        self._values = columns.values or self._find_numeric(names, [row for _, row in first])

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        return self._rows

    def _check_names(self, names: list[str]) -> None:
        columns = self._columns
        wanted = [columns.time, columns.key, columns.action, *columns.values]
        missing = ", ".join(repr(name) for name in wanted if name and name not in names)
        if missing and names:
            raise SourceError(f"{self._path}: no column {missing} (it has: {', '.join(names)})")

    def _find_numeric(self, names: list[str], rows: list[Row]) -> tuple[str, ...]:
        other = (self._time, self._columns.key, self._columns.action)
        return tuple(n for n in names if n not in other and all_numbers(r.get(n) for r in rows))

    def _cell(self, line: int, row: Row, name: str) -> str:
        if row.get(name) in (None, ""):
            raise SourceError(f"{self._path}, line {line}: column {name!r} is empty")
        return str(row[name])

    def source_id(self, line: int, row: Row) -> str:
        if self._columns.key:
            return self._cell(line, row, self._columns.key)
        return self._columns.source_id or name_of(self._path)

    def action(self, line: int, row: Row) -> str:
        if self._columns.action:
            return self._cell(line, row, self._columns.action)
        return self._columns.constant_action

    def time_ms(self, line: int, row: Row) -> int:
        raw = row.get(self._time)
        if raw in (None, ""):
            return 0
        try:
            return to_time_ms(raw)
        except ValueError as error:
            where = f"{self._path}, line {line}, column {self._time!r}"
            raise SourceError(f"{where}: {error}") from error

    def numbers(self, line: int, row: Row) -> dict[str, float]:
        numbers = {}
        for name in self._values:
            number = to_number(row.get(name))
            if number is None:
                raise SourceError(
                    f"{self._path}, line {line}, column {name!r}: {row[name]!r} is not a number"
                )
            if math.isfinite(number):
                numbers[name] = number
        return numbers

    def whole_event(self, line: int, row: Row, event_type: type[E]) -> E:
        if not row.get("source_id"):
            row["source_id"] = self.source_id(line, row)
        try:
            event = msgspec.convert(row, event_type)
            event.validate()
        except (msgspec.ValidationError, InputError) as error:
            raise SourceError(f"{self._path}, line {line}: {error}") from error
        return event
