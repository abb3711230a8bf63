"""Penstock as a contender: `penstock worker` as a user starts it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from agents.commands import PENSTOCK
from benchmarks.harness import BENCHMARKS
from benchmarks.harness.running import Job, PreparedContender


def penstock(processes: int, variant: str = "") -> Callable[[str], PreparedContender]:
    """Return how to prepare `penstock worker --processes N` for a workload.

    Args:
        processes: N.
        variant: of the pipeline file: what follows the workload in its name.
    """

    def prepare(workload: str) -> PreparedContender:
        return penstock_by(PENSTOCK, processes, "WARNING", variant)

    return prepare


def timed_metrics(seconds: Path) -> PreparedContender:
    """Return a worker of one process that writes its metrics' CPU seconds into a file."""
    script = str(BENCHMARKS / "penstock" / "timed_metrics.py")
    worker = penstock_by((sys.executable, "-P", script), 1, "WARNING")
    extra = {"BENCH_METRICS_SECONDS": str(seconds)}
    return replace(worker, environment=lambda job: {**worker.environment(job), **extra})


def penstock_by(
    main: Sequence[str], processes: int, log_level: str, variant: str = ""
) -> PreparedContender:
    """Return a worker that can be started.

    Args:
        main: the command line of `penstock`.
        processes: of the worker.
        log_level: of the worker.
        variant: of the pipeline file.
    """

    def command(job: Job) -> list[str]:
        config = BENCHMARKS / "penstock" / f"{job.workload}{variant}.yaml"
        options = ["--log-level", log_level, "--processes", str(processes)]
        return [*main, "worker", "-c", str(config), *options]

    def environment(job: Job) -> dict[str, str]:
        return {
            "PYTHONPATH": os.pathsep.join([str(BENCHMARKS.parent), str(BENCHMARKS)]),
            "BENCH_SERVERS": job.bootstrap_servers,
            "BENCH_INPUT": job.input,
            "BENCH_OUTPUT": job.output,
            "BENCH_GROUP": job.group,
            "BENCH_FOLDER": job.folder,
        }

    return PreparedContender(version("penstock"), command, environment)
