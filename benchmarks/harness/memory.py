"""`penstock bench memory`: the peak memory of a worker for several sizes of its backlog.

Workload `d`: the stub is slower than the broker, so the worker holds as much as its intake limits
allow. Without limits its memory would grow with the backlog.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing

import msgspec

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.contenders import CONTENDERS
from benchmarks.harness.inputs import load
from benchmarks.harness.readings import Readings
from benchmarks.harness.running import Job, RunError, running
from benchmarks.harness.topics import EndOffsets, create_bench_topics, remove_topics

_START_SECONDS = 60.0


class Peak(msgspec.Struct, frozen=True):
    """One worker's peak memory."""

    records_behind: int
    """When the worker started."""
    answered: int
    """Records, while the worker was watched."""
    input_bytes: int
    """Of the values on the input topic."""
    peak_rss_bytes: int
    """Resident memory, over the life of the process."""


def measure_peak(servers: str, records: int, partitions: int, seconds: float) -> Peak:
    """Start a worker with a backlog, let it work for some seconds, and return its peak memory.

    Raises:
        RunError: it ended, or gave no result within a minute.
    """
    name = f"bench-memory-{records}-{time.time_ns()}"
    topics = [name, f"{name}-out", f"{name}.dlq"]
    source = Readings(records, partitions)
    partitions = load(servers, name, partitions, source)
    create_bench_topics(servers, topics[1:], partitions)
    worker = CONTENDERS["penstock"].prepare("d")
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, name, topics[1], name, "d", partitions, folder)
        with (
            running(worker, job) as run,
            closing(EndOffsets(servers, topics[1], partitions)) as end,
        ):
            deadline = time.monotonic() + _START_SECONDS
            while not end.total():
                if not run.is_alive or time.monotonic() > deadline:
                    raise RunError(f"no result: {run.last_lines()}")
                time.sleep(0.05)
            time.sleep(seconds)
            answered = end.total()
    remove_topics(servers, topics)
    size = len(next(iter(source.records())).value)
    return Peak(records, answered, records * size, run.peak_rss_bytes)


def intake_limits() -> tuple[int, int]:
    """Return the intake limits a partition of workload `d`'s pipeline: records and bytes."""
    from agents.pipeline.file import load_pipeline

    names = ("BENCH_SERVERS", "BENCH_GROUP", "BENCH_INPUT", "BENCH_OUTPUT")
    settings = load_pipeline(BENCHMARKS / "penstock" / "d.yaml", {name: name for name in names})
    intake = settings.agents["score"].intake
    return intake.max_records, intake.max_bytes
