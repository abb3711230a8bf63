"""Read everything that the agents emit: into files, into words, and to the pictures."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from agents.commands.demo.kafka import Ends
from agents.commands.demo.pictures import PictureRecorder
from agents.commands.describe import describe_record, record_as_json
from schemas import (
    AnomalyScore,
    Classification,
    ClusterAssignment,
    ClusterUpdate,
    Detections,
    NluResult,
    Recommendation,
    Result,
    Segmentation,
    SpokenAudio,
    Transcript,
)
from schemas.audio_codec import read_result
from schemas.cloudevents import type_name
from streams.kafka.errors import BrokerError
from streams.kafka.reader import KafkaRecord, follow
from streams.kafka.settings import Kafka

#: Latest results that are kept of each topic, in words.
NUM_LATEST = 4

_TYPES: dict[str, type[Result]] = {
    type_name(cls): cls
    for cls in (
        Detections, Classification, Segmentation, NluResult, AnomalyScore, ClusterAssignment,
        ClusterUpdate, Recommendation, SpokenAudio, Transcript,
    )
}  # fmt: skip


class RecordFiles:
    """Writes `<topic>.jsonl` for some topics; overwrites those of an earlier run."""

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
        """Return the path of a topic's file."""
        return self._folder / f"{topic}.jsonl"

    def write(self, record: KafkaRecord) -> None:
        """Append a record to its topic's file, as one line of JSON."""
        self._files[record.topic].write(record_as_json(record).encode() + b"\n")
        self.num_lines[record.topic] += 1


class Listener(threading.Thread):
    """Reads the output topics of a run, from where they ended before it."""

    def __init__(
        self, kafka: Kafka, starts: Ends, files: RecordFiles, recorder: PictureRecorder
    ) -> None:
        super().__init__(name="listen", daemon=True)
        self.latest: dict[str, deque[str]] = {
            topic: deque(maxlen=NUM_LATEST) for topic in files.num_lines
        }
        """Topic -> its latest records in words, the newest last."""
        self.failure = ""
        """Why it ended before it was stopped; "" if it did not."""
        self._kafka, self._files, self._recorder = kafka, files, recorder
        self._starts = {place: at for place, at in starts.items() if place[0] in files.num_lines}
        self._stopped = threading.Event()

    def run(self) -> None:
        """Read until stopped."""
        try:
            for record in follow(self._kafka, self._starts, self._stopped.is_set):
                self._take(record)
        except BrokerError as error:
            self.failure = str(error)
        except OSError as error:  # the disk of the files
            self.failure = f"can't write the results: {error}"

    def stop(self) -> None:
        """Make it stop reading."""
        self._stopped.set()

    def _take(self, record: KafkaRecord) -> None:
        self._files.write(record)
        in_words = describe_record(record.topic, record.value, record.headers)
        self.latest[record.topic].append(in_words)
        headers = dict(record.headers)
        result_type = _TYPES.get(headers.get("ce_type", b"").decode("ascii", "replace"))
        if result_type is SpokenAudio and record.value:
            self._recorder.add_result(read_result(record.value, headers))
        elif result_type is not None and record.value:
            self._recorder.add_result(msgspec.json.decode(record.value, type=result_type))
