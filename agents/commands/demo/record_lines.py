"""Records as lines of JSON, one file a topic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from agents.commands.describe_bytes import in_general, readable
from agents.commands.tailing import TailedRecord


class RecordFiles:
    """`<topic>.jsonl` for each of some topics, written anew."""

    def __init__(self, folder: Path, topics: Iterable[str]) -> None:
        self.num_lines = dict.fromkeys(topics, 0)
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        self._files = {topic: self.path(topic).open("wb") for topic in self.num_lines}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()

    def path(self, topic: str) -> Path:
        """Return the file of a topic."""
        return self._folder / f"{topic}.jsonl"

    def write(self, record: TailedRecord) -> None:
        """Add a line."""
        self._files[record.topic].write(record_line(record) + b"\n")
        self.num_lines[record.topic] += 1


def record_line(record: TailedRecord) -> bytes:
    """Return a record as one JSON object.

    `value` is the record's own JSON; where it has none, it is null and `not_json` says in words
    what is there (the size and kind of a frame, text that is not JSON).
    """
    line: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": None if record.key is None else record.key.decode("utf-8", "replace"),
        "headers": {name: value.decode("utf-8", "replace") for name, value in record.headers},
        **_value(record),
    }
    return msgspec.json.encode(line)


def _value(record: TailedRecord) -> dict[str, Any]:
    if record.value is None:
        return {"value": None}
    headers = dict(record.headers)
    try:
        if b"msgpack" in headers.get("content-type", b""):
            return {"value": readable(msgspec.msgpack.decode(record.value))}
        return {"value": msgspec.json.decode(record.value)}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {"value": None, "not_json": in_general(record.value, headers)}
