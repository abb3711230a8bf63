"""`penstock` that tells how much CPU time its metrics took, for `penstock bench metrics`.

Each call of `AgentMetrics` is timed by its thread's CPU clock, which the times of other threads and
processes don't touch; a call made by another is a part of that. What timing costs counts as
metrics', so the price is rather too high than too low.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.cli import main
from streams.metrics import AgentMetrics


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
    Path(os.environ["BENCH_METRICS_SECONDS"]).write_text(str(sum(spent_ns) / 1e9))


for name, function in inspect.getmembers(AgentMetrics, inspect.isfunction):
    if not name.startswith("_"):
        setattr(AgentMetrics, name, timed(function))
atexit.register(tell)
main()
