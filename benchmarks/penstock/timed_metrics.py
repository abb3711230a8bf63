"""`penstock` that measures the CPU time of its metrics, for `penstock bench metrics`.

Timed is each outermost call that keeps the metrics (of `AgentMetrics`, of the stopwatches, of the
lag, of the count of anomalies), and a scrape of all of them every five seconds, by the thread's CPU
clock, which other threads and processes don't affect. Reading that clock takes as long as many of
the calls, so the time of an empty call is subtracted from each. It is measured at the end, with
warm caches: the overhead reported is rather too high than too low.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, generate_latest

from agents.commands.main import main
from streams import inference
from streams.assignment import AssignedPartitions
from streams.health.agent_metrics import AgentMetrics
from streams.health.stopwatch import Stopwatch

_NUM_EMPTY_CALLS = 10_000
_SCRAPE_SECONDS = 5.0


class Depth(threading.local):
    """The depth of calls on one thread."""

    value = 0


spent_ns: list[int] = []
depth = Depth()


def timed(work: Callable[..., Any]) -> Callable[..., Any]:
    """Time each outermost call."""

    @functools.wraps(work)
    def call(*args: Any, **kwargs: Any) -> Any:
        if depth.value:
            return work(*args, **kwargs)
        started = time.thread_time_ns()
        depth.value = 1
        try:
            return work(*args, **kwargs)
        finally:
            depth.value = 0
            spent_ns.append(time.thread_time_ns() - started)

    return call


def write_seconds() -> None:
    """Write the sum, in seconds, into the file that the bench reads."""
    total_ns, num_calls = sum(spent_ns), len(spent_ns)
    spent_ns.clear()
    nothing = timed(lambda: None)
    for _ in range(_NUM_EMPTY_CALLS):
        nothing()
    total_ns -= num_calls * statistics.median(spent_ns)
    Path(os.environ["BENCH_METRICS_SECONDS"]).write_text(str(total_ns / 1e9))


def scrape() -> None:
    """Write all metrics out again and again, as for Prometheus."""
    write = timed(generate_latest)
    while True:
        time.sleep(_SCRAPE_SECONDS)
        write(REGISTRY)


for name, function in inspect.getmembers(AgentMetrics, inspect.isfunction):
    if not name.startswith("_"):
        setattr(AgentMetrics, name, timed(function))
for owner, name in (
    (Stopwatch, "__enter__"),
    (Stopwatch, "__exit__"),
    (AssignedPartitions, "observe_lag"),
    (inference, "num_anomalies"),
):
    setattr(owner, name, timed(getattr(owner, name)))
threading.Thread(target=scrape, name="scrape", daemon=True).start()
atexit.register(write_seconds)
main()
