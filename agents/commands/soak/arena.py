"""Where faults happen: a pipeline of its own on a broker, load, workers, and the judgement."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.commands.audit import AgentReport, AuditOptions, audit_pipeline
from agents.commands.broker import BrokerProcess
from agents.commands.soak.load import Load
from agents.commands.soak.report import FaultRow, row_of
from agents.commands.soak.watch import StallWatch
from agents.commands.soak.workers import WorkerProcess
from agents.commands.topic_reader import TopicReader
from agents.pipeline.file import load_pipeline
from agents.pipeline.yaml_lines import write_document
from streams.kafka.admin import create_topics
from streams.kafka.errors import BrokerError
from streams.kafka.settings import Kafka
from streams.settings import TopicSettings

#: A member that is gone is missed after so long; Kafka's smallest by default.
SESSION_SECONDS = 6.0
AGENT = "double"
EXACTLY_ONCE = "exactly_once"


@dataclass(frozen=True)
class Setup:
    """What an arena is made of."""

    kafka: Kafka
    """Client settings by librdkafka's names, without a group."""
    broker: BrokerProcess | None = None
    """If it is ours to restart."""
    guarantee: str = "at_least_once"
    num_workers: int = 2
    partitions: int = 4
    per_second: float = 400.0
    """Records."""
    agent: dict[str, Any] = field(default_factory=dict)
    """Settings of the agent, over the arena's own."""
    model: dict[str, Any] = field(default_factory=dict)
    """Options of the model."""
    extra: tuple[float, ...] = ()
    """Numbers to send now and then besides: see `agents.commands.soak.model`."""
    poisons: bool = True
    """Whether some records make the model raise: a slow one is long at finding which."""
    output_config: dict[str, str] = field(default_factory=dict)
    """Of the output topic."""


class Arena:
    """begin -> faults and await_progress, as often as one likes -> finish."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        """Write the pipeline file and make its topics; nothing runs yet.

        Args:
            setup: what it is made of.
            folder: for the pipeline file and the workers' logs.

        Raises:
            BrokerError: the cluster can't be reached, or refuses a topic.
        """
        self.setup, self.folder = setup, folder
        self.name = f"soak-{uuid.uuid4().hex[:8]}"
        self.config = folder / f"{self.name}.yaml"
        self.config.write_text(write_document(self._document()))
        self.settings = load_pipeline(self.config, {})
        self._make_topics()
        self.load = Load(setup.kafka, self.name, setup.per_second, setup.extra, setup.poisons)
        topics = (self.output, self.dead_letters)
        self.watch = StallWatch(setup.kafka, dict.fromkeys(topics, setup.partitions))
        self.workers: list[WorkerProcess] = []
        self.complaints: list[str] = []
        """What went wrong beside the records: wrong exit codes, ended workers."""

    @property
    def output(self) -> str:
        """The topic of results."""
        return f"{self.name}.out"

    @property
    def dead_letters(self) -> str:
        """The topic of dead letters."""
        return f"{self.name}.dlq"

    def _document(self) -> dict[str, Any]:
        setup = self.setup
        kafka = {
            **setup.kafka,
            "group.id": self.name,
            "session.timeout.ms": int(SESSION_SECONDS * 1000),
            "heartbeat.interval.ms": 1000,
        }
        agent = {
            "input": self.name, "output": self.output, "event": "agents.commands.soak.model:Number",
            "model": {"name": "agents.commands.soak.model:Doubling", "options": setup.model},
            "batch": {"max_batch_size": 64, "max_wait_seconds": 0.02}, **setup.agent,
        }  # fmt: skip
        document = {"kafka": kafka, "metrics": {"port": 0}, "commit_interval_seconds": 0.2,
                    "agents": {AGENT: agent}}  # fmt: skip
        if setup.guarantee != "at_least_once":
            document["guarantee"] = setup.guarantee
        return document

    def _make_topics(self) -> None:
        plain = TopicSettings(partitions=self.setup.partitions)
        output = TopicSettings(
            partitions=self.setup.partitions, config=dict(self.setup.output_config)
        )
        wanted = {self.name: plain, self.output: output, self.dead_letters: plain}
        create_topics(self.setup.kafka, wanted)

    def begin(self) -> None:
        """Start workers and load, and wait for the first results.

        Raises:
            UserError: a worker does not start.
            BrokerError: no result comes.
        """
        for _ in range(self.setup.num_workers):
            self.add_worker()
        for worker in self.workers:
            worker.await_member()
        self.load.start()
        self.watch.start()
        self.await_progress(100)

    def add_worker(self) -> WorkerProcess:
        """Start another worker; returns at once."""
        log = self.folder / f"{self.name}-worker-{uuid.uuid4().hex[:6]}.log"
        self.workers.append(WorkerProcess(self.config, log))
        return self.workers[-1]

    def await_progress(self, num_records: int = 200, timeout: float = 120.0) -> None:
        """Wait until so many more results or dead letters have come out, some of each partition.

        Raises:
            BrokerError: they don't come.
        """
        before = self.watch.num_out
        deadline = time.monotonic() + timeout
        while not self.watch.has_moved(before, num_records):
            self._note_dead_workers()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"no {num_records} results in {timeout:g} seconds: "
                    + "; ".join(worker.last_lines() for worker in self.workers)
                )
            time.sleep(0.05)

    def _note_dead_workers(self) -> None:
        for worker in [worker for worker in self.workers if not worker.is_alive]:
            code = worker.exit_code
            self.complaints.append(f"a worker ended by itself with {code}: {worker.last_lines()}")
            self.workers.remove(worker)
            self.add_worker()

    def drain(self, timeout: float = 180.0) -> None:
        """Stop the load and wait until all of it is finished and committed."""
        if not self.load.stop():
            self.complaints.append("some of the load could not be delivered")
        deadline = time.monotonic() + timeout
        with TopicReader(self.setup.kafka, self.name) as reader:
            while not self._is_committed(reader) and time.monotonic() < deadline:
                self._note_dead_workers()
                time.sleep(0.2)

    def _is_committed(self, reader: TopicReader) -> bool:
        try:
            ends = [b.end for b in reader.bounds(self.name, self.setup.partitions)]
            return ends == [max(at, 0) for at in reader.committed(self.name, len(ends))]
        except BrokerError:
            return False

    def audit(self, is_drained: bool) -> AgentReport:
        """Account for every record.

        Raises:
            BrokerError: a topic can't be read.
        """
        exactly_once = self.setup.guarantee == EXACTLY_ONCE
        options = AuditOptions(
            is_drained=is_drained,
            repeats_allowed=not exactly_once,
            isolation="read_committed" if exactly_once else "read_uncommitted",
        )
        return audit_pipeline(self.settings, options).agent(AGENT)

    def finish(self, fault: str, repetitions: int) -> FaultRow:
        """Drain, stop the workers in order, and judge.

        Raises:
            BrokerError: a topic can't be read.
        """
        self.drain()
        self.watch.stop()
        self._stop_workers()
        report = self.audit(is_drained=True)
        if (delivered := self.load.num_delivered) > report.records:
            self.complaints.append(f"{delivered} were delivered, {report.records} are there")
        return row_of(
            fault, self.setup.guarantee, repetitions, report, self.watch.longest_seconds,
            self.complaints,
        )  # fmt: skip

    def _stop_workers(self) -> None:
        while self.workers:
            worker = self.workers.pop()
            if worker.is_alive and (code := worker.stop()) != 0:
                self.complaints.append(
                    f"a worker that was asked to end exits with {code}: {worker.last_lines()}"
                )

    def close(self) -> None:
        """End everything at once, whatever has happened."""
        for worker in self.workers:
            worker.kill()
        if self.load._thread.is_alive():
            self.load.stop(timeout=0.0)
        if self.watch._thread.is_alive():
            self.watch.stop()
