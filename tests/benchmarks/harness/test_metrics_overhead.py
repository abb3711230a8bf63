"""The overhead of metrics, from the CPU time that the worker itself measures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.metrics_overhead import overhead_of
from benchmarks.harness.penstock import timed_metrics
from benchmarks.harness.running import Job, RunError


def test_the_overhead_is_the_median_of_the_rounds() -> None:
    result = overhead_of(10, [(5.1, 0.1), (6.0, 1.0), (4.04, 0.04)])
    assert result.overhead == pytest.approx(0.02)
    assert result.lowest == pytest.approx(0.01)
    assert result.highest == pytest.approx(0.2)


def test_a_run_too_short_for_the_system_clock_is_an_error() -> None:
    with pytest.raises(RunError, match="10 records are too few"):
        overhead_of(10, [(0.0, 0.1)])


def test_the_worker_writes_its_metrics_cpu_seconds_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "seconds"
    worker, job = timed_metrics(file), Job("", "", "", "", "a", 1, "")
    code = (
        "import sys, runpy, time\n"
        "sys.argv = ['penstock', '--version']\n"
        f"try: runpy.run_path({worker.command(job)[2]!r})\n"
        "except SystemExit: pass\n"
        "from prometheus_client import CollectorRegistry\n"
        "from streams.health.metrics import Metrics\n"
        "from streams.health.outcomes import Outcome\n"
        "agent = Metrics(CollectorRegistry()).for_agent('a', ['t'], 'm')\n"
        "time.sleep(0.3)\n"
        "for _ in range(5000): agent.ages_of(range(1, 21), range(20))\n"
    )
    environment = worker.environment(job)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert 0.001 < float(file.read_text()) < 0.3
