"""`penstock bench startup`: seconds from the start of a worker to its first result.

A pipeline of one sensor agent, as in the README, with a record waiting on the input topic.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from agents.commands import PENSTOCK
from agents.process.child import ChildProcess
from benchmarks.harness.running import RunError
from benchmarks.harness.topics import EndOffsets, create_bench_topics, num_partitions, remove_topics

_PIPELINE = """\
kafka: {{bootstrap.servers: "{servers}", group.id: {name}}}
metrics: {{port: 0}}
agents:
  score_anomalies:
    input: {name}
    output: {name}-out
    model: robust_zscore
"""
_READING = b'{"source_id": "pump-1", "values": {"bar": 2.5}}'
_POLL_SECONDS, _TIMEOUT_SECONDS = 0.005, 60.0
#: What the worker logs at the end of a phase; each line has the time of day in milliseconds.
_LOADED, _JOINED = "metrics at", "holding [1-9]"
_TIME = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})"


class Startup(msgspec.Struct, frozen=True):
    """One start, in seconds."""

    loaded: float
    """Until the models were loaded: interpreter, imports, the broker's answer, models.

    About 20 ms of it are `agents/process/exit_with_parent.py`, which starts every child.
    """
    joined: float
    """From then until the group had assigned the partitions."""
    answered: float
    """From then until the first result was on the output topic."""

    @property
    def total(self) -> float:
        """From the start to the first result."""
        return self.loaded + self.joined + self.answered


class Medians(msgspec.Struct, frozen=True):
    """The median of each phase over the rounds."""

    rounds: int
    loaded: float
    joined: float
    answered: float
    total: float
    lowest: float
    """Of the totals; also `highest`."""
    highest: float


def measure_startup(servers: str) -> Startup:
    """Start a worker with a record waiting, and stop it after its first result.

    Raises:
        RunError: it ended, or gave no result within a minute.
    """
    name = f"bench-startup-{time.time_ns()}"
    topics = [name, f"{name}-out", f"{name}.dlq", f"{name}.score_anomalies.state"]
    create_bench_topics(servers, topics, 1)
    producer = Producer({"bootstrap.servers": servers, "log_level": 0})
    producer.produce(name, _READING, "pump-1")
    producer.flush(10)
    partitions = num_partitions(servers, topics[1])
    with (
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        closing(EndOffsets(servers, topics[1], partitions)) as ends,
    ):
        config, log = Path(folder) / "penstock.yaml", Path(folder) / "output.log"
        config.write_text(_PIPELINE.format(servers=servers, name=name))
        startup = _start(config, log, ends)
    remove_topics(servers, topics)
    return startup


def _start(config: Path, log: Path, ends: EndOffsets) -> Startup:
    started = time.time()
    with ChildProcess([*PENSTOCK, "worker", "-c", str(config)], log) as worker:
        if not worker.wait_for(lambda: ends.total() or None, _TIMEOUT_SECONDS, _POLL_SECONDS):
            raise RunError(f"no result: {worker.last_lines()}")
        answered = time.time()
        worker.stop()
    loaded, joined = (_logged(log.read_text(errors="replace"), what) for what in (_LOADED, _JOINED))
    return Startup(loaded - started, joined - loaded, answered - joined)


def _logged(log: str, what: str) -> float:
    """Return the time of the first line with `what`, in seconds since 1970."""
    match = re.search(rf"^{_TIME} .*{what}", log, re.MULTILINE)
    if match is None:
        raise RunError(f"the worker's log has no line with {what!r}: {log[-500:]}")
    return datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()


def medians(startups: Sequence[Startup]) -> Medians:
    """Return the median of each phase and of the total."""
    totals = [start.total for start in startups]
    return Medians(
        rounds=len(startups),
        loaded=statistics.median(start.loaded for start in startups),
        joined=statistics.median(start.joined for start in startups),
        answered=statistics.median(start.answered for start in startups),
        total=statistics.median(totals),
        lowest=min(totals),
        highest=max(totals),
    )
