"""The price of metrics is told from CPU time that the worker itself takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.penstock import timed_metrics
from benchmarks.harness.price import price_of
from benchmarks.harness.ready import Job
from benchmarks.harness.running import RunError


def test_the_price_is_the_median_of_the_rounds() -> None:
    price = price_of(10, [(5.1, 0.1), (6.0, 1.0), (4.04, 0.04)])
    assert price.price == pytest.approx(0.02)
    assert price.lowest == pytest.approx(0.01)
    assert price.highest == pytest.approx(0.2)


def test_a_run_too_short_for_the_system_s_clock_is_told() -> None:
    with pytest.raises(RunError, match="10 records are too few"):
        price_of(10, [(0.0, 0.1)])


def test_what_the_metrics_take_is_written_down_at_the_end(tmp_path: Path) -> None:
    told = tmp_path / "seconds"
    ready, job = timed_metrics(told), Job("", "", "", "", "a", 1, "")
    code = (
        "import sys, runpy, time\n"
        "sys.argv = ['penstock', '--version']\n"
        f"try: runpy.run_path({ready.command(job)[2]!r})\n"
        "except SystemExit: pass\n"
        "from prometheus_client import CollectorRegistry\n"
        "from streams.health.metrics import Metrics, Outcome\n"
        "agent = Metrics(CollectorRegistry()).for_agent('a', ['t'], 'm')\n"
        "time.sleep(0.3)\n"
        "for _ in range(1000): agent.ages_of([1, 2], [0, 1])\n"
    )
    environment = ready.environment(job)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert 0.001 < float(told.read_text()) < 0.3
