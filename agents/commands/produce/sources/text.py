"""Read messages from text files: one per line, or one per row of JSON lines or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agents.commands.produce.sources.rows import (
    content_suffix,
    name_of,
    open_text,
    read_rows,
    to_time_ms,
)
from agents.commands.produce.sources.source import SourceError
from schemas import TextMessage

TABLE_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")


def text_messages(
    path: Path,
    *,
    text_column: str = "text",
    key_column: str = "",
    time_column: str = "",
    source_id: str = "",
    language: str = "",
) -> Iterator[TextMessage]:
    """Yield one message per line or row; empty ones are skipped.

    Args:
        path: JSON lines or CSV according to its suffix, also with `.gz`; else plain text.
        text_column: holds the text, in a table.
        key_column: holds the conversation; "": all messages belong to `source_id`.
        time_column: as in `tables.Columns.time`; "": no event time.
        source_id: used if there is no key column; "": the file's name.
        language: BCP 47 tag of all messages, "" if not known.

    Raises:
        SourceError: the file can't be read, or a row lacks a column; the message says where.
    """
    constant_id = source_id or name_of(path)
    if content_suffix(path) not in TABLE_SUFFIXES:
        for text in _lines(path):
            yield TextMessage(source_id=constant_id, text=text, language=language)
        return
    for line, row in read_rows(path):
        try:
            text = str(row[text_column]).strip()
            row_id = str(row[key_column]) if key_column else constant_id
            time_ms = to_time_ms(row[time_column]) if time_column else 0
        except KeyError as error:
            raise SourceError(f"{path}, line {line}: no column {error}") from error
        except ValueError as error:
            raise SourceError(f"{path}, line {line}, column {time_column!r}: {error}") from error
        if text:
            yield TextMessage(source_id=row_id, event_time_ms=time_ms, text=text, language=language)


def _lines(path: Path) -> Iterator[str]:
    with open_text(path) as file:
        try:
            yield from (stripped for line in file if (stripped := line.strip()))
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise SourceError(f"{path}: not UTF-8 text: {error}") from error
