"""Reading everything that the agents emit: into files, into words, and to who draws it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from agents.commands.demo.cluster import Ends
from agents.commands.demo.record_lines import RecordFiles
from agents.commands.describe import describe_record
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
from streams.kafka.errors import BrokerError
from streams.kafka.reader import KafkaRecord, follow
from streams.kafka.settings import Kafka

#: The latest results that are kept of each topic, in words.
NUM_LATEST = 4

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
        self._kafka = kafka
        self._starts = {
            (topic, partition): offset
            for (topic, partition), offset in starts.items()
            if topic in files.num_lines
        }

    def run(self) -> None:
        """Read until stopped."""
        try:
            for record in follow(self._kafka, self._starts, self._stopped.is_set):
                self._take(record)
        except BrokerError as error:
            self.failure = str(error)
        except OSError as error:  # the disk of the files
            self.failure = f"the results can't be written: {error}"

    def stop(self) -> None:
        """Let it read no more."""
        self._stopped.set()

    def _take(self, record: KafkaRecord) -> None:
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
