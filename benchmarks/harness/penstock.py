"""Penstock as a contender: its worker as a user starts it, and what a bench varies of that."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from agents.commands import PENSTOCK
from benchmarks.harness.places import benchmarks_folder
from benchmarks.harness.ready import Job, Ready


def penstock(processes: int, variant: str = "") -> Callable[[str], Ready]:
    """Return how to make `penstock worker --processes N` ready for a workload.

    Args:
        processes: N.
        variant: of the pipeline file: what its name has after the workload's letter.
    """

    def make_ready(workload: str) -> Ready:
        return penstock_by(PENSTOCK, processes, "WARNING", variant)

    return make_ready


def timed_metrics(seconds: Path) -> Ready:
    """Return a worker of one process that writes what its metrics took into a file."""
    script = str(benchmarks_folder() / "penstock" / "timed_metrics.py")
    ready = penstock_by((sys.executable, "-P", script), 1, "WARNING")
    told = {"BENCH_METRICS_SECONDS": str(seconds)}
    return replace(ready, environment=lambda job: {**ready.environment(job), **told})


def penstock_by(main: Sequence[str], processes: int, log_level: str, variant: str = "") -> Ready:
    """Return a worker to be started.

    Args:
        main: the command line that is `penstock`.
        processes: of the worker.
        log_level: of the worker.
        variant: of the pipeline file.
    """
    folder = benchmarks_folder()

    def command(job: Job) -> list[str]:
        config = folder / "penstock" / f"{job.workload}{variant}.yaml"
        options = ["--log-level", log_level, "--processes", str(processes)]
        return [*main, "worker", "-c", str(config), *options]

    def environment(job: Job) -> dict[str, str]:
        return {
            "PYTHONPATH": os.pathsep.join([str(folder.parent), str(folder)]),
            "BENCH_SERVERS": job.bootstrap_servers,
            "BENCH_INPUT": job.input,
            "BENCH_OUTPUT": job.output,
            "BENCH_GROUP": job.group,
        }

    return Ready(version("penstock"), command, environment)
