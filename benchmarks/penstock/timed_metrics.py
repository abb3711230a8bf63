"""`penstock` that tells how much CPU time its metrics took, for `penstock bench metrics`.

Each call of `AgentMetrics` is timed by its thread's CPU clock, which the times of other threads and
processes don't touch; a call made by another is a part of that. To ask that clock takes as long as
many of the calls do, so what a timed call of nothing takes is subtracted from each. That is found
at the end, with warm caches: the price is rather too high than too low.
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

from agents.commands.main import main
from streams.health.metrics import AgentMetrics

_NUM_EMPTY_CALLS = 10_000


class Depth(threading.local):
    """Of calls, on one thread."""

    value = 0


spent_ns: list[int] = []
depth = Depth()


def timed(work: Callable[..., Any]) -> Callable[..., Any]:
    """Note what each outermost call takes."""

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


def tell() -> None:
    """Write the sum, in seconds, where the bench looks for it."""
    own_ns, num_calls = sum(spent_ns), len(spent_ns)
    spent_ns.clear()
    nothing = timed(lambda: None)
    for _ in range(_NUM_EMPTY_CALLS):
        nothing()
    own_ns -= num_calls * statistics.median(spent_ns)
    Path(os.environ["BENCH_METRICS_SECONDS"]).write_text(str(own_ns / 1e9))


for name, function in inspect.getmembers(AgentMetrics, inspect.isfunction):
    if not name.startswith("_"):
        setattr(AgentMetrics, name, timed(function))
atexit.register(tell)
main()
