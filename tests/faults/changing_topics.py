"""A pipeline whose topics change under its worker, and the accounts of what became of each record.

Each record has its own number, which its result repeats. So the accounts know which of two topics
of one name a result belongs to, without asking the audit, which is judged here too.
"""

from __future__ import annotations

import re
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents.commands.audit import AgentReport, AuditOptions, Verdict, audit_pipeline
from agents.commands.soak import FaultRow
from agents.commands.soak.testbed import WorkerProcess
from agents.pipeline.file import load_pipeline
from agents.pipeline.yaml_lines import write_document
from streams.kafka.message_headers import headers_of
from streams.kafka.reader import TopicReader

AGENT = "repeat"
_MODEL = """
import time

from schemas import SensorReading


class Repeat:
    event_type = SensorReading

    def __init__(self, batch_seconds: float = 0.0) -> None:
        self.batch_seconds = batch_seconds

    def predict_batch(self, batch):
        time.sleep(self.batch_seconds)
        return [{"number": reading.values["number"]} for reading in batch]
"""
_SESSION_MS = 6000
#: Small, so that few records have been fetched when the others are removed.
_FETCH_BYTES = 16_384


class ChangingTopics:
    """One pipeline, its topics, and one worker at a time."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        guarantee: str = "at_least_once",
        batch_seconds: float = 0.0,
        **document: Any,
    ) -> None:
        """Write the pipeline file and create its topics, each with one partition.

        Args:
            bootstrap: of an Apache Kafka.
            folder: for the pipeline file and logs.
            guarantee: of the pipeline.
            batch_seconds: how long each model call takes.
            document: more sections of the pipeline file; `kafka` is merged.
        """
        self.guarantee = guarantee
        self.bootstrap = bootstrap
        self.folder = folder
        self.name = f"changing-{uuid.uuid4().hex[:8]}"
        self.input, self.output = f"{self.name}.in", f"{self.name}.out"
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.sent: set[int] = set()
        self._num_partitions: dict[str, int] = {}
        (folder / "repeat.py").write_text(_MODEL)
        kafka = {
            "bootstrap.servers": bootstrap,
            "group.id": self.name,
            "session.timeout.ms": _SESSION_MS,
            "max.partition.fetch.bytes": _FETCH_BYTES,
            **document.pop("kafka", {}),
        }
        agent = {
            "input": self.input, "output": self.output, "event": "SensorReading",
            "model": {"name": "./repeat.py:Repeat", "options": {"batch_seconds": batch_seconds}},
            "intake": {"max_records": 1000},
        }  # fmt: skip
        self.config = folder / "pipeline.yaml"
        self.config.write_text(
            write_document(
                {"kafka": kafka, "metrics": {"port": 0}, "guarantee": guarantee,
                 "commit_interval_seconds": 0.2, "shutdown_timeout_seconds": 5,
                 "agents": {AGENT: agent}, **document}
            )
        )  # fmt: skip
        self.create(self.input, self.output, f"{self.input}.dlq")

    def create(self, *topics: str, partitions: int = 1) -> None:
        """Create topics; waits while one of the same name is still being deleted."""
        for topic in topics:
            create = partial(self._create, NewTopic(topic, partitions))
            assert await_true(create, 30), f"{topic} can't be created"
            self._num_partitions[topic] = partitions

    def _create(self, wanted: NewTopic) -> bool:
        self.admin.create_topics([wanted])[wanted.topic].result(20)
        return True

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        self.admin.delete_topics([topic])[topic].result(20)

    def make_again(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and create it again."""
        self.delete(topic)
        self.create(topic, partitions=partitions)

    def remove_below(self, offset: int) -> None:
        """Remove the input's first records, as its retention would."""
        place = TopicPartition(self.input, 0, offset)
        self.admin.delete_records([place])[place].result(20)

    def send(self, numbers: Iterable[int]) -> None:
        """Publish a record for each number."""
        # A fetch returns whole batches.
        small = {"batch.num.messages": 100}
        producer = Producer({"bootstrap.servers": self.bootstrap, **small})
        for number in numbers:
            value = msgspec.json.encode({"values": {"number": number}})
            producer.produce(self.input, value, str(number % 50))
            self.sent.add(number)
        assert producer.flush(30) == 0

    def commit(self, offset: int, metadata: str = "") -> None:
        """Commit an offset of the input for the group, as Kafka's tools do."""
        group = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        place = TopicPartition(self.input, 0, offset, metadata)
        group.commit(offsets=[place], asynchronous=False)
        group.close()

    def commit_metadata(self) -> str:
        """Return the metadata of the group's commit."""
        group = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name})
        (found,) = group.committed([TopicPartition(self.input, 0)], timeout=10)
        group.close()
        return str(found.metadata)

    def committed(self) -> int:
        """Return the sum of the group's committed offsets of the input."""
        with TopicReader({"bootstrap.servers": self.bootstrap}, self.name) as reader:
            partitions = self._num_partitions[self.input]
            return sum(max(at, 0) for at in reader.committed(self.input, partitions))

    def await_committed(self, total: int, seconds: float = 60.0) -> None:
        """Wait until the group has committed this many offsets, over all partitions."""
        assert await_true(lambda: self.committed() >= total, seconds), self.committed()

    def results(self) -> Counter[int]:
        """Return how often each number was answered, in committed results."""
        values = [message.value() or b"" for message in self._read_output()]
        return Counter(int(msgspec.json.decode(value)["number"]) for value in values)

    def result_ids(self) -> list[bytes]:
        """Return the `ce_id` of every committed result."""
        return [dict(headers_of(message) or ())["ce_id"] for message in self._read_output()]

    def _read_output(self) -> list[Message]:
        kafka = {"bootstrap.servers": self.bootstrap, "isolation.level": "read_committed"}
        with TopicReader(kafka, self.name) as reader:
            return list(reader.read_all(self.output, self._num_partitions[self.output]))

    @contextmanager
    def worker(self) -> Iterator[RunningWorker]:
        """Run a worker; it must end with exit code 0 unless the test has ended it."""
        name = f"worker-{uuid.uuid4().hex[:6]}"
        worker = RunningWorker(self.config, self.folder / f"{name}.log", name=name)
        try:
            worker.await_member()
            yield worker
            assert worker.exit_code is not None or worker.stop() == 0, worker.output()
        finally:
            worker.kill()

    def audit(self) -> AgentReport:
        """Return the audit's report."""
        exactly_once = self.guarantee == "exactly_once"
        options = AuditOptions(
            is_drained=True,
            repeats_allowed=not exactly_once,
            isolation="read_committed" if exactly_once else "read_uncommitted",
        )
        return audit_pipeline(load_pipeline(self.config, {}), options).agent(AGENT)

    def row(
        self, fault: str, num_said: float, verdict: Verdict, complaints: Sequence[str] = ()
    ) -> FaultRow:
        """Account for every record that was ever sent.

        Args:
            fault: what was done, for the report.
            num_said: how many records the worker says it could not answer.
            verdict: what the audit must say.
            complaints: what else is wrong.
        """
        results, report = self.results(), self.audit()
        unanswered = len(self.sent - results.keys())
        found = [f"the audit says {report.verdict}"] if report.verdict != verdict else []
        repeats = results.total() - len(results)
        wrong = repeats if self.guarantee == "exactly_once" else 0
        return FaultRow(
            fault=fault,
            guarantee=self.guarantee,
            repetitions=1,
            records=len(self.sent),
            results=results.total(),
            dead_letters=0,
            duplicates=repeats,
            lost=max(unanswered - int(num_said), 0),  # passed over in silence
            wrong=wrong,
            longest_stall_seconds=0.0,
            complaints=[*found, *complaints],
        )


class RunningWorker(WorkerProcess):
    """A worker whose metrics can be read."""

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        lines = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", self._get("/metrics"), re.MULTILINE)
        return sum(map(float, lines))

    def num_lost(self) -> float:
        """Return how many records the worker says it could not answer."""
        return self.metric("penstock_records_lost_total")

    def is_ready(self) -> bool:
        """Return whether `/ready` says so."""
        try:
            return bool(self._get("/ready"))
        except OSError:
            return False

    def _get(self, path: str) -> str:
        found = re.search(r"metrics at (http://[^/]+)/", self.output())
        assert found is not None, self.output()
        with urllib.request.urlopen(found.group(1) + path, timeout=10) as response:
            return str(response.read().decode())

    def warnings(self, words: str) -> list[str]:
        """Return the warnings that contain some words."""
        return [line for line in self.output().splitlines() if "WARNING" in line and words in line]


def await_true(check: Callable[[], bool], seconds: float) -> bool:
    """Wait until a check is true; return whether it was in time. Its errors count as false."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if check():
                return True
        except Exception:  # not yet
            pass
        time.sleep(0.3)
    return False
