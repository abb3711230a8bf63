"""Reading everything that the agents emit: into files, into words, and to who draws it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec
from confluent_kafka import Message, TopicPartition

from agents.commands.demo.cluster import Ends, make_consumer
from agents.commands.demo.record_lines import RecordFiles
from agents.commands.describe import describe_record
from agents.commands.tailing import record_of
from schemas import (
    AnomalyScore,
    ClusterAssignment,
    ClusterUpdate,
    Detections,
    Event,
    NluResult,
    Result,
)
from schemas.cloudevents import type_name
from streams.kafka.settings import Kafka

#: The latest results that are kept of each topic, in words.
NUM_LATEST = 4
_POLL_SECONDS = 0.2
_BATCH_RECORDS = 1_000

_TYPES: dict[str, type[Result]] = {
    type_name(cls): cls
    for cls in (Detections, NluResult, AnomalyScore, ClusterAssignment, ClusterUpdate)
}


class Recorder(Protocol):
    """Remembers what it needs to draw a picture at the end; bounded."""

    def sent(self, event: Event) -> None:
        """Take note of an event that is about to be published."""
        ...

    def answered(self, result: Result) -> None:
        """Take note of a result."""
        ...


class Listener(threading.Thread):
    """Reads the output topics of a run from where they ended before it."""

    def __init__(
        self, kafka: Kafka, starts: Ends, files: RecordFiles, recorders: Sequence[Recorder]
    ) -> None:
        super().__init__(name="listen", daemon=True)
        self.latest: dict[str, deque[str]] = {
            topic: deque(maxlen=NUM_LATEST) for topic in files.num_lines
        }
        """Topic -> its latest records in words, the newest last."""
        self.failure = ""
        self._files, self._recorders = files, recorders
        self._stopped = threading.Event()
        self._consumer = make_consumer(kafka)
        self._consumer.assign(
            [TopicPartition(t, p, at) for (t, p), at in starts.items() if t in files.num_lines]
        )

    def run(self) -> None:
        """Read until stopped."""
        try:
            while not self._stopped.is_set():
                for message in self._consumer.consume(_BATCH_RECORDS, _POLL_SECONDS):
                    self._take(message)
        except OSError as error:  # the disk of the files
            self.failure = f"the results can't be written: {error}"
        finally:
            self._consumer.close()

    def stop(self) -> None:
        """Let it read no more."""
        self._stopped.set()

    def _take(self, message: Message) -> None:
        if error := message.error():
            self.failure = f"{message.topic()} can't be read: {error.str()}"
            return
        record = record_of(message)
        self._files.write(record)
        self.latest[record.topic].append(
            describe_record(record.topic, record.value, record.headers)
        )
        result_type = _TYPES.get(
            dict(record.headers).get("ce_type", b"").decode("ascii", "replace")
        )
        if result_type is not None and record.value:
            result = msgspec.json.decode(record.value, type=result_type)
            for recorder in self._recorders:
                recorder.answered(result)
