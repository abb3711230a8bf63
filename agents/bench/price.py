"""`penstock bench metrics`: what the metrics cost, in CPU time per record.

Workload `a` with a worker of one process, with and without metrics in turn. CPU time of the
worker's own, start-up left out: the wall clock is too noisy for a difference of a few per cent.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from agents.bench.inputs import load
from agents.bench.penstock import penstock, without_metrics
from agents.bench.readings import Readings
from agents.bench.ready import Job, Ready
from agents.bench.running import RunError, measure
from agents.bench.topics import make_topics, remove_topics

Say = Callable[[str], None]


class Price(msgspec.Struct, frozen=True):
    """What the rounds came to."""

    records: int
    """Of each run."""
    with_microseconds: Sequence[float]
    """CPU time per record of each round, metrics on."""
    without_microseconds: Sequence[float]
    price: float
    """The median over the rounds of (with - without) / without: 0.02 is 2 %."""
    lowest: float
    """Of the rounds; so is `highest`."""
    highest: float


def metrics_price(servers: str, records: int, rounds: int, partitions: int, say: Say) -> Price:
    """Run both in turn, the first of a round being the other one each time, and compare.

    Raises:
        RunError: a worker ended or got stuck.
    """
    variants = {"with metrics": penstock(processes=1)("a"), "without": without_metrics()}
    topic = f"bench-metrics-{records}-{time.time_ns()}"
    partitions = load(servers, topic, partitions, Readings(records, partitions))
    make_topics(servers, [f"{topic}.dlq"], partitions)
    spent: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        for name in sorted(variants, reverse=number % 2 == 1):
            found = _run(servers, topic, partitions, records, variants[name])
            spent[name].append(found)
            say(f"round {number + 1}, {name}: {found:.3f} CPU µs a record")
    remove_topics(servers, [topic, f"{topic}.dlq"])
    return compare(records, spent)


def compare(records: int, spent: Mapping[str, Sequence[float]]) -> Price:
    """Return the price of what the first has and the second has not.

    Raises:
        RunError: the runs were so short that the system's clock saw no CPU time.
    """
    dear, cheap = spent.values()
    if not all((*dear, *cheap)):
        raise RunError(f"{records} records are too few to see any CPU time: ask for more")
    shares = [with_it / without - 1 for with_it, without in zip(dear, cheap, strict=True)]
    return Price(records, dear, cheap, statistics.median(shares), min(shares), max(shares))


def _run(servers: str, topic: str, partitions: int, records: int, ready: Ready) -> float:
    output = f"{topic}-out-{time.time_ns()}"
    make_topics(servers, [output], partitions)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, topic, output, output, "a", partitions, folder)
        measured = measure(ready, job, records)
    remove_topics(servers, [output])
    return measured.cpu_microseconds_per_record
