"""`penstock bench memory`: the peak memory of a worker, by how far it is behind.

Workload `d`: the stub is slower than the broker, so what waits in the worker is as much as its
intake limits let in. A worker whose memory were not bounded would hold the more, the more there is
to read.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing

import msgspec

from benchmarks.harness.contenders import CONTENDERS
from benchmarks.harness.inputs import load
from benchmarks.harness.places import benchmarks_folder
from benchmarks.harness.readings import Readings
from benchmarks.harness.ready import Job
from benchmarks.harness.running import RunError, running
from benchmarks.harness.topics import EndOffsets, make_topics, remove_topics

_START_SECONDS = 60.0


class Peak(msgspec.Struct, frozen=True):
    """One worker's peak."""

    records_behind: int
    """When it started."""
    answered: int
    """In the time that it was watched."""
    input_bytes: int
    """Of the values that lay before it."""
    peak_rss_bytes: int
    """Resident memory, over the process's life."""


def measure_peak(servers: str, records: int, partitions: int, seconds: float) -> Peak:
    """Start a worker so far behind, let it work for a while, and return its peak.

    Raises:
        RunError: it ended, or did not begin.
    """
    name = f"bench-memory-{records}-{time.time_ns()}"
    topics = [name, f"{name}-out", f"{name}.dlq"]
    source = Readings(records, partitions)
    partitions = load(servers, name, partitions, source)
    make_topics(servers, topics[1:], partitions)
    ready = CONTENDERS["penstock"].make_ready("d")
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, name, topics[1], name, "d", partitions, folder)
        with running(ready, job) as run, closing(EndOffsets(servers, topics[1], partitions)) as end:
            deadline = time.monotonic() + _START_SECONDS
            while not end.total():
                if not run.is_alive or time.monotonic() > deadline:
                    raise RunError(f"it did not begin: {run.last_lines()}")
                time.sleep(0.05)
            time.sleep(seconds)
            answered = end.total()
    remove_topics(servers, topics)
    size = len(next(iter(source.records())).value)
    return Peak(records, answered, records * size, run.peak_rss_bytes)


def intake_limits() -> tuple[int, int]:
    """Return how many records and bytes of a partition workload `d`'s pipeline lets in."""
    from agents.pipeline.file import load_pipeline

    names = ("BENCH_SERVERS", "BENCH_GROUP", "BENCH_INPUT", "BENCH_OUTPUT")
    settings = load_pipeline(
        benchmarks_folder() / "penstock" / "d.yaml", {name: name for name in names}
    )
    intake = settings.agents["score"].intake
    return intake.max_records, intake.max_bytes
