"""`penstock bench alerts`: from a fault in a worker to the notice, from the mend to the end of it.

Two workers, each with a pipeline of its own, real Prometheus and Alertmanager with the repository's
configuration, and a webhook. One worker is killed and started again later; the model of the other
hangs while a file exists.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from agents.commands import PENSTOCK
from agents.process.child import ChildProcess
from benchmarks.harness.monitoring import Monitoring, Notice, free_ports, monitoring
from benchmarks.harness.running import RunError
from benchmarks.harness.topics import create_bench_topics, remove_topics

_MODEL = """\
import time
from pathlib import Path
from models.base import Model
from schemas import Result, SensorReading

class Answer(Result, kw_only=True):
    ok: bool = True

class Hangs(Model):
    name, event_type, result_type = "hangs", SensorReading, Answer

    def __init__(self, flag: str):
        self.flag = Path(flag)

    def predict_batch(self, batch):
        while self.flag.exists():
            time.sleep(0.05)
        return [Answer() for _ in batch]
"""
_PIPELINE = """\
kafka: {{bootstrap.servers: "{servers}", group.id: {name}, session.timeout.ms: 6000}}
metrics: {{port: {port}}}
shutdown_timeout_seconds: 2
liveness_timeout_seconds: 5
agents:
  answer:
    input: {name}
    output: {name}-out
    model: {{name: ./hangs.py:Hangs, options: {{flag: "{flag}"}}}}
    event_age_budget_seconds: 0.5
"""
_READING = b'{"source_id": "pump-1", "values": {"bar": 2.5}}'
_START_SECONDS, _NOTICE_SECONDS = 90.0, 300.0


class AlertTimes(msgspec.Struct, frozen=True):
    """How long one fault took to be told, and its end."""

    fault: str
    alert: str
    seconds_to_firing: float
    """From the fault to the webhook."""
    seconds_to_resolved: float
    """From the mend to the webhook."""
    firing: Notice
    resolved: Notice


@dataclass
class AlertedWorker:
    """A worker that can be killed, started again, and made to hang."""

    servers: str
    folder: Path
    port: int
    name: str
    process: ChildProcess | None = None

    @property
    def flag(self) -> Path:
        """While it exists, model calls do not return."""
        return self.folder / "hang"

    @property
    def topics(self) -> list[str]:
        """Those of its pipeline."""
        return [self.name, f"{self.name}-out", f"{self.name}.dlq"]

    def start(self) -> None:
        """Start it; return at once."""
        (self.folder / "hangs.py").write_text(_MODEL)
        config = self.folder / "penstock.yaml"
        config.write_text(
            _PIPELINE.format(
                servers=self.servers, name=self.name, port=self.port, flag=self.flag.as_posix()
            )
        )
        self.process = ChildProcess(
            [*PENSTOCK, "worker", "-c", str(config)], self.folder / "worker.log"
        )

    def produce(self, count: int = 1) -> None:
        """Write records to its input."""
        producer = Producer({"bootstrap.servers": self.servers, "log_level": 0})
        for _ in range(count):
            producer.produce(self.name, _READING, "pump-1")
        producer.flush(10)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()


def measure_alerts(servers: str, report: Callable[[str], None]) -> list[AlertTimes]:
    """Cause both faults, mend them, and return how long the notices took.

    Raises:
        RunError: a program is absent, a worker did not start, or a notice did not come.
    """
    with two_workers(servers) as (killed, hung), tempfile.TemporaryDirectory() as folder:
        targets = [f"127.0.0.1:{worker.port}" for worker in (killed, hung)]
        with monitoring(Path(folder), {"penstock": targets}) as monitor:
            for worker in (killed, hung):
                _await_up(monitor, worker)
            began = time.monotonic()
            killed.kill()
            hung.flag.touch()
            hung.produce()
            faults = (
                ("a worker is killed", "PenstockWorkerDown", killed),
                ("a model hangs", "PenstockNotLive", hung),
            )
            firing = [_await_notice(monitor, "firing", alert, w) for _, alert, w in faults]
            report("both faults were told")
            mended = time.monotonic()
            hung.flag.unlink()
            killed.start()
            resolved = [_await_notice(monitor, "resolved", alert, w) for _, alert, w in faults]
    return [
        AlertTimes(fault, alert, fire.at - began, end.at - mended, fire, end)
        for (fault, alert, _), fire, end in zip(faults, firing, resolved, strict=True)
    ]


@contextmanager
def two_workers(servers: str) -> Iterator[Sequence[AlertedWorker]]:
    """Run two workers for the length of a `with` block."""
    stamp = time.time_ns()
    with ExitStack() as stack:
        workers = []
        for number, port in enumerate(free_ports(2)):
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-"))
            )
            worker = AlertedWorker(servers, folder, port, f"bench-alerts-{stamp}-{number}")
            create_bench_topics(servers, worker.topics, 1)
            stack.callback(remove_topics, servers, worker.topics)
            worker.start()
            stack.callback(worker.kill)
            workers.append(worker)
        yield workers


def _await_up(monitor: Monitoring, worker: AlertedWorker) -> None:
    """Wait until Prometheus has scraped a worker that is ready."""
    query = f'penstock_worker_ready{{instance="127.0.0.1:{worker.port}"}} == 1'
    assert worker.process is not None
    if not worker.process.wait_for(lambda: monitor.query(query) or None, _START_SECONDS, 0.5):
        raise RunError(f"a worker did not become ready: {worker.process.last_lines()}")


def _await_notice(monitor: Monitoring, status: str, alert: str, worker: AlertedWorker) -> Notice:
    deadline = time.monotonic() + _NOTICE_SECONDS
    instance = f"127.0.0.1:{worker.port}"
    while time.monotonic() < deadline:
        for notice in monitor.webhook.notices:
            wanted = (status, alert, instance)
            if (notice.status, notice.name, notice.labels.get("instance")) == wanted:
                return notice
        time.sleep(0.1)
    told = [(notice.status, notice.name) for notice in monitor.webhook.notices]
    raise RunError(f"no notice that {alert} is {status} within {_NOTICE_SECONDS:g} s; told: {told}")
