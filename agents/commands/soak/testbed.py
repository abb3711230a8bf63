"""A testbed for faults: a separate pipeline on a broker, with load, workers and an audit."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.commands import PENSTOCK
from agents.commands.audit import AgentReport, AuditOptions, audit_pipeline
from agents.commands.broker import BrokerProcess
from agents.commands.soak.rebalances import Rebalances
from agents.commands.soak.report import FaultRow, row_of
from agents.commands.soak.traffic import Load, StallWatch
from agents.errors import UserError
from agents.pipeline.file import load_pipeline
from agents.pipeline.yaml_lines import write_document
from agents.process.child import ChildProcess
from streams.kafka.admin import create_topics
from streams.kafka.errors import BrokerError
from streams.kafka.reader import TopicReader
from streams.kafka.settings import Kafka
from streams.settings import TopicSettings

#: The group removes a member that is silent for this long; Kafka's smallest value by default.
SESSION_SECONDS = 6.0
#: The same for static members: a worker that restarts is back by then. Kafka's default.
STATIC_SESSION_SECONDS = 45.0
AGENT = "double"
EXACTLY_ONCE = "exactly_once"
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


class WorkerProcess(ChildProcess):
    """One `penstock worker`."""

    def __init__(
        self, config: Path, log: Path, *options: str, name: str, is_static: bool = False
    ) -> None:
        """Start it and return at once.

        Args:
            config: the pipeline file.
            log: its output is appended.
            options: of `penstock worker`.
            name: its client id.
            is_static: whether that is its `group.instance.id` too.
        """
        self.name = name
        environment = {**os.environ, "PENSTOCK_KAFKA__CLIENT_ID": name}
        if is_static:
            environment["PENSTOCK_KAFKA__GROUP_INSTANCE_ID"] = name
        command = [*PENSTOCK, "worker", "-c", str(config), *options]
        super().__init__(command, log, environment=environment)

    def await_member(self) -> None:
        """Wait until the group has assigned it partitions, which may be none.

        Raises:
            UserError: it ended, or was not ready in time.
        """
        if not self.wait_for(lambda: "holding " in self.output() or None, _START_SECONDS):
            raise UserError(f"a worker did not start: {self.last_lines()}")

    def stop(self, seconds: float = _STOP_SECONDS) -> int:
        """Ask it to end; return its exit code, -9 if it had to be killed."""
        return super().stop(seconds)

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue (SIGCONT)."""
        self.send(signal.SIGCONT)


@dataclass(frozen=True)
class Setup:
    """The parts and settings of a testbed."""

    kafka: Kafka
    """Client settings by librdkafka's names, without a group."""
    broker: BrokerProcess | None = None
    """The broker, if faults may restart it."""
    guarantee: str = "at_least_once"
    num_workers: int = 2
    worker_options: Sequence[str] = ()
    """Options of `penstock worker`."""
    partitions: int = 4
    per_second: float = 400.0
    """Records published per second."""
    agent: dict[str, Any] = field(default_factory=dict)
    """Settings of the agent; override the testbed's."""
    model: dict[str, Any] = field(default_factory=dict)
    """Options of the model."""
    extra: tuple[float, ...] = ()
    """Special numbers to send now and then: see `agents.commands.soak.model`."""
    poisons: bool = True
    """Whether some records make the model raise. A slow model takes long to find them."""
    output_config: dict[str, str] = field(default_factory=dict)
    """Configuration of the output topic."""
    is_static: bool = False
    """Whether workers are static members of the group."""
    state_megabytes: float = 0.0
    """State that the models of a worker learn, if partitions are shared evenly; 0: none."""

    @property
    def session_seconds(self) -> float:
        """The group removes a member that is silent for this long."""
        return STATIC_SESSION_SECONDS if self.is_static else SESSION_SECONDS


class Testbed:
    """Call `begin`, then cause faults and `await_progress` as often as needed, then `finish`."""

    __test__ = False  # pytest: not a class of tests

    def __init__(self, setup: Setup, folder: Path) -> None:
        """Write the pipeline file and create its topics; nothing runs yet.

        Args:
            setup: parts and settings.
            folder: for the pipeline file and the workers' logs.

        Raises:
            BrokerError: the cluster can't be reached, or refuses a topic.
        """
        self.setup, self.folder = setup, folder
        self.name = f"soak-{uuid.uuid4().hex[:8]}"
        self.config = folder / f"{self.name}.yaml"
        self.config.write_text(write_document(self._document()))
        self.settings = load_pipeline(self.config, {})
        self._create_topics()
        self.load = Load(
            setup.kafka, self.name, setup.per_second, setup.extra, setup.poisons, setup.partitions
        )
        outputs = dict.fromkeys((self.output, self.dead_letters), setup.partitions)
        self.watch = StallWatch(setup.kafka, outputs)
        self.rebalances = Rebalances(setup.kafka, self.name, outputs)
        self.workers: list[WorkerProcess] = []
        self.complaints: list[str] = []
        """What went wrong apart from records: unexpected exit codes, workers that ended."""

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
            "session.timeout.ms": int(setup.session_seconds * 1000),
            "heartbeat.interval.ms": 1000,
        }
        agent = {
            "input": self.name, "output": self.output, "event": "agents.commands.soak.model:Number",
            "model": self._model(),
            "batch": {"max_batch_size": 64, "max_wait_seconds": 0.02}, **setup.agent,
        }  # fmt: skip
        document = {"kafka": kafka, "metrics": {"port": 0}, "commit_interval_seconds": 0.2,
                    "agents": {AGENT: agent}}  # fmt: skip
        if setup.guarantee != "at_least_once":
            document["guarantee"] = setup.guarantee
        if setup.state_megabytes:
            document["state"] = {"store": str(self.folder / f"{self.name}-state")}
        return document

    def _model(self) -> dict[str, Any]:
        setup, module = self.setup, "agents.commands.soak.model"
        if not setup.state_megabytes:
            return {"name": f"{module}:Doubling", "options": setup.model}
        state_bytes = int(setup.state_megabytes * 1e6 * setup.num_workers / setup.partitions)
        options = {**setup.model, "state_bytes": state_bytes}
        return {"name": f"{module}:Remembering", "options": options}

    def _create_topics(self) -> None:
        partitions = self.setup.partitions
        by_broker = {"message.timestamp.type": "LogAppendTime"}  # for `rebalances`
        create_topics(
            self.setup.kafka,
            {
                self.name: TopicSettings(partitions=partitions),
                self.output: TopicSettings(
                    partitions=partitions, config={**by_broker, **self.setup.output_config}
                ),
                self.dead_letters: TopicSettings(partitions=partitions, config=by_broker),
            },
        )

    def begin(self) -> None:
        """Start workers and load, and wait for the first results.

        Raises:
            UserError: a worker does not start.
            BrokerError: no result arrives.
        """
        for _ in range(self.setup.num_workers):
            self.add_worker()
        for worker in self.workers:
            worker.await_member()
        self.load.start()
        self.watch.start()
        self.await_progress(100)

    def add_worker(self, name: str = "") -> WorkerProcess:
        """Start another worker and return at once.

        Args:
            name: that of a worker that has ended, in whose place it starts; "": a new one.
        """
        log = self.folder / f"{self.name}-worker-{uuid.uuid4().hex[:6]}.log"
        self.workers.append(
            WorkerProcess(
                self.config, log, *self.setup.worker_options,
                name=name or f"w-{uuid.uuid4().hex[:6]}", is_static=self.setup.is_static,
            )
        )  # fmt: skip
        return self.workers[-1]

    def await_progress(self, num_records: int = 200, timeout: float = 120.0) -> None:
        """Wait for this many more results and dead letters, some of each partition.

        Raises:
            BrokerError: they don't arrive in time.
        """
        before = self.watch.num_out
        deadline = time.monotonic() + timeout
        while not self.watch.has_moved(before, num_records):
            self._replace_dead_workers()
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"fewer than {num_records} results in {timeout:g} seconds: "
                    + "; ".join(worker.last_lines() for worker in self.workers)
                )
            time.sleep(0.05)

    def _replace_dead_workers(self) -> None:
        for worker in [worker for worker in self.workers if not worker.is_alive]:
            code = worker.exit_code
            self.complaints.append(f"a worker ended by itself with {code}: {worker.last_lines()}")
            self.workers.remove(worker)
            self.add_worker(worker.name)

    def drain(self, timeout: float = 180.0) -> None:
        """Stop the load and wait until every record is finished and committed."""
        if not self.load.stop():
            self.complaints.append("some of the load could not be delivered")
        deadline = time.monotonic() + timeout
        with TopicReader(self.setup.kafka, self.name) as reader:
            while not self._is_committed(reader) and time.monotonic() < deadline:
                self._replace_dead_workers()
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
        """Drain, stop the workers in order, audit, and return the result.

        Raises:
            BrokerError: a topic can't be read.
        """
        self.drain()
        self.watch.stop()
        self._stop_workers()
        report = self.audit(is_drained=True)
        if (delivered := self.load.num_delivered) > report.records:
            self.complaints.append(
                f"{delivered} records were delivered, but the topic holds {report.records}"
            )
        return row_of(
            fault, self.setup.guarantee, repetitions, report, self.watch.longest_seconds,
            self.complaints, self.rebalances.rows,
        )  # fmt: skip

    def _stop_workers(self) -> None:
        while self.workers:
            worker = self.workers.pop()
            if worker.is_alive and (code := worker.stop()) != 0:
                self.complaints.append(
                    f"a worker stopped by SIGTERM ended with exit code {code}: "
                    f"{worker.last_lines()}"
                )

    def close(self) -> None:
        """End everything at once, in any state."""
        for worker in self.workers:
            worker.kill()
        self.load.stop(timeout=0.0)
        self.watch.stop()
