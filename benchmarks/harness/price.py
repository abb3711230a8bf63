"""`penstock bench metrics`: what the metrics cost, in CPU time per record.

Workload `a` with a worker of one process that times its own metrics. Not the difference between a
worker with and one without them: from run to run a worker's CPU time differs by far more than that.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.harness.inputs import load
from benchmarks.harness.penstock import timed_metrics
from benchmarks.harness.readings import Readings
from benchmarks.harness.ready import Job
from benchmarks.harness.running import RunError, measure
from benchmarks.harness.topics import make_topics, remove_topics

Say = Callable[[str], None]


class Price(msgspec.Struct, frozen=True):
    """What the rounds came to."""

    records: int
    """Of each run."""
    microseconds: Sequence[float]
    """CPU time per record of each round, metrics and all, start-up left out."""
    metrics_microseconds: Sequence[float]
    """Of that, the metrics'."""
    price: float
    """The median over the rounds of metrics / the rest: 0.02 is 2 %."""
    lowest: float
    """Of the rounds; so is `highest`."""
    highest: float


def metrics_price(servers: str, records: int, rounds: int, partitions: int, say: Say) -> Price:
    """Run a worker several times and return what its metrics took.

    Raises:
        RunError: a worker ended or got stuck.
    """
    topic = f"bench-metrics-{records}-{time.time_ns()}"
    partitions = load(servers, topic, partitions, Readings(records, partitions))
    make_topics(servers, [f"{topic}.dlq"], partitions)
    spent = []
    for number in range(rounds):
        spent.append(_run(servers, topic, partitions, records))
        say(f"round {number + 1}: {spent[-1][1]:.4f} of {spent[-1][0]:.3f} CPU µs a record")
    remove_topics(servers, [topic, f"{topic}.dlq"])
    return price_of(records, spent)


def price_of(records: int, spent: Sequence[tuple[float, float]]) -> Price:
    """Return the price of the metrics.

    Args:
        records: of each run.
        spent: CPU time per record of each round, and the metrics' part of it, microseconds.

    Raises:
        RunError: the runs were so short that the system's clock saw no CPU time.
    """
    if not all(whole > part for whole, part in spent):
        raise RunError(f"{records} records are too few to see any CPU time: ask for more")
    shares = [part / (whole - part) for whole, part in spent]
    wholes, parts = zip(*spent, strict=True)
    return Price(records, wholes, parts, statistics.median(shares), min(shares), max(shares))


def _run(servers: str, topic: str, partitions: int, records: int) -> tuple[float, float]:
    output = f"{topic}-out-{time.time_ns()}"
    make_topics(servers, [output], partitions)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, topic, output, output, "a", partitions, folder)
        told = Path(folder) / "metrics-seconds"
        measured = measure(timed_metrics(told), job, records)
        seconds = float(told.read_text())
    remove_topics(servers, [output])
    return measured.cpu_microseconds_per_record, 1e6 * seconds / records
