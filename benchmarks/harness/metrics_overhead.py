"""`penstock bench metrics`: the overhead of metrics, in CPU time per record.

Workload `a`, as a backlog or as single records at live rates, with a worker of one process that
times its metrics, and a scrape of them every five seconds. The difference between runs with and
without metrics can't show it: a worker's CPU time varies by far more from run to run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.harness.inputs import load
from benchmarks.harness.load_run import run_under_load
from benchmarks.harness.penstock import timed_metrics
from benchmarks.harness.readings import Readings
from benchmarks.harness.running import Job, RunError, measure
from benchmarks.harness.sender import SendPlan, Stream
from benchmarks.harness.topics import create_bench_topics, num_partitions, remove_topics

Report = Callable[[str], None]

_NUM_SOURCES = 10_000
_WARM_UP_SECONDS = 3.0


class MetricsOverhead(msgspec.Struct, frozen=True):
    """The metrics' share of a worker's CPU time, over the rounds."""

    records: int
    """Of each run."""
    microseconds: Sequence[float]
    """CPU time per record of each round, metrics included, start-up left out."""
    metrics_microseconds: Sequence[float]
    """The metrics' part of it."""
    overhead: float
    """The median over the rounds of metrics / the rest: 0.02 is 2 %."""
    lowest: float
    """Overhead of a round; also `highest`."""
    highest: float
    rate: int = 0
    """Records a second; 0: a backlog, as fast as they go."""


def measure_metrics_overhead(
    servers: str, records: int, rounds: int, partitions: int, report: Report
) -> MetricsOverhead:
    """Run a worker several times and return the overhead of its metrics.

    Raises:
        RunError: a worker ended or got stuck.
    """
    topic = f"bench-metrics-{records}-{time.time_ns()}"
    partitions = load(servers, topic, partitions, Readings(records, partitions))
    create_bench_topics(servers, [f"{topic}.dlq"], partitions)
    spent = []
    for number in range(rounds):
        spent.append(_run(servers, topic, partitions, records))
        report(f"round {number + 1}: {spent[-1][1]:.4f} of {spent[-1][0]:.3f} CPU µs a record")
    remove_topics(servers, [topic, f"{topic}.dlq"])
    return overhead_of(records, spent)


def measure_live_overhead(
    servers: str, rate: int, seconds: float, rounds: int, partitions: int, report: Report
) -> MetricsOverhead:
    """Send a worker single records at a rate, several times; return its metrics' overhead.

    Raises:
        RunError: a worker ended, or did not keep up.
    """
    spent = []
    for number in range(rounds):
        spent.append(_run_live(servers, rate, seconds, partitions))
        report(
            f"{rate:,}/s, round {number + 1}: "
            f"{spent[-1][1]:.3f} of {spent[-1][0]:.2f} CPU µs a record"
        )
    return overhead_of(int(rate * seconds), spent, rate)


def _run_live(servers: str, rate: int, seconds: float, partitions: int) -> tuple[float, float]:
    topic = f"bench-metrics-live-{time.time_ns()}"
    topics = [topic, f"{topic}-out", f"{topic}.dlq"]
    create_bench_topics(servers, topics, partitions)
    partitions = num_partitions(servers, topic)
    stream = Stream(topic, partitions, "readings", _NUM_SOURCES, rate)
    plan = SendPlan(servers, [stream], "poisson", _WARM_UP_SECONDS, seconds, 0)
    num_sent = plan.num_primers(0) + len(plan.due_seconds(0))
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        file = Path(folder) / "metrics-seconds"
        job = Job(servers, topic, topics[1], topic, "live", partitions, folder)
        run = run_under_load(timed_metrics(file), job, plan, [(topics[1], partitions)])
        metrics_seconds = float(file.read_text())
    remove_topics(servers, topics)
    if not run.kept_up:
        raise RunError(f"the worker did not keep up with {rate:,} records a second")
    return 1e6 * run.cpu_seconds / max(run.num_answered, 1), 1e6 * metrics_seconds / num_sent


def overhead_of(
    records: int, spent: Sequence[tuple[float, float]], rate: int = 0
) -> MetricsOverhead:
    """Return the overhead of the metrics.

    Args:
        records: of each run.
        spent: CPU time per record of each round, and the metrics' part of it, microseconds.
        rate: records a second; 0: a backlog.

    Raises:
        RunError: the runs were too short for the system to count any CPU time.
    """
    if not all(whole > part for whole, part in spent):
        raise RunError(f"{records} records are too few to count any CPU time: use more")
    shares = [part / (whole - part) for whole, part in spent]
    wholes, parts = zip(*spent, strict=True)
    return MetricsOverhead(
        records, wholes, parts, statistics.median(shares), min(shares), max(shares), rate
    )


def _run(servers: str, topic: str, partitions: int, records: int) -> tuple[float, float]:
    output = f"{topic}-out-{time.time_ns()}"
    create_bench_topics(servers, [output], partitions)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, topic, output, output, "a", partitions, folder)
        file = Path(folder) / "metrics-seconds"
        measured = measure(timed_metrics(file), job, records)
        seconds = float(file.read_text())
    remove_topics(servers, [output])
    return measured.cpu_microseconds_per_record, 1e6 * seconds / records
