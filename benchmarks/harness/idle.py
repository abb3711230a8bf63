"""`penstock bench idle`: the CPU share, the start-up and the memory of a worker without records."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.harness.example_pipeline import ExamplePipeline
from benchmarks.harness.processes import cpu_seconds_of, rss_bytes_of
from benchmarks.harness.running import RunError, Running, running
from benchmarks.harness.topics import remove_topics

_START_SECONDS = 180.0
#: After the start: caches fill, the first commits and heartbeats are made.
_SETTLE_SECONDS = 5.0
_POLL_SECONDS = 0.05


class IdleResult(msgspec.Struct, frozen=True):
    """One idle worker."""

    agents: int
    partitions: int
    """Over all agents."""
    startup_seconds: float
    """From the start of the process until it held all partitions."""
    seconds: float
    """Measured after the start."""
    cpu_share: float
    """Of one core: 0.01 is one per cent of it."""
    rss_bytes: int


def measure_idle(
    servers: str, agents: Sequence[str], partitions: int, seconds: float
) -> IdleResult:
    """Start a worker on empty topics and return what it uses.

    Args:
        servers: of the broker.
        agents: of the example file.
        partitions: of each agent's input.
        seconds: to measure, after the start.

    Raises:
        RunError: the worker ended, or did not hold its partitions in time.
    """
    name = f"bench-idle-{time.time_ns()}"
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        pipeline = ExamplePipeline(servers, name, agents, partitions, Path(folder))
        pipeline.create()
        total = sum(pipeline.partitions_of(pipeline.input(agent)) for agent in agents)
        started = time.monotonic()
        with running(pipeline.worker(processes=1), pipeline.job()) as run:
            _await_held(run, total)
            startup_seconds = time.monotonic() - started
            time.sleep(_SETTLE_SECONDS)
            begin, cpu_seconds = time.monotonic(), cpu_seconds_of(run.pid)
            time.sleep(seconds)
            cpu_seconds = cpu_seconds_of(run.pid) - cpu_seconds
            took, rss_bytes = time.monotonic() - begin, rss_bytes_of(run.pid)
            if not run.is_alive:
                raise RunError(f"the worker ended: {run.last_lines()}")
    remove_topics(servers, pipeline.topics)
    return IdleResult(len(agents), total, startup_seconds, took, cpu_seconds / took, rss_bytes)


def _await_held(run: Running, num_partitions: int) -> None:
    """Wait until the worker's log says that it holds all partitions."""
    deadline = time.monotonic() + _START_SECONDS
    while num_partitions not in _held(run.log.read_text(errors="replace")):
        if not run.is_alive or time.monotonic() > deadline:
            raise RunError(f"the worker did not start: {run.last_lines()}")
        time.sleep(_POLL_SECONDS)


def _held(log: str) -> list[int]:
    return [int(number) for number in re.findall(r"holding (\d+) partitions", log)]
