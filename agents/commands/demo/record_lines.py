"""Records as lines of JSON, one file a topic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from agents.commands.describe import record_as_json
from streams.kafka.reader import KafkaRecord


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

    def write(self, record: KafkaRecord) -> None:
        """Add a line."""
        self._files[record.topic].write(record_as_json(record).encode() + b"\n")
        self.num_lines[record.topic] += 1
