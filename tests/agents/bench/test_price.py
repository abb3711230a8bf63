"""The price of metrics is told from CPU time, and the variant without counts nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agents.bench.penstock import without_metrics
from agents.bench.price import compare
from agents.bench.ready import Job
from agents.bench.running import RunError


def test_the_price_is_the_median_of_the_rounds() -> None:
    price = compare(10, {"with": [5.1, 6.0, 4.04], "without": [5.0, 5.0, 4.0]})
    assert price.price == pytest.approx(0.02)
    assert price.lowest == pytest.approx(0.01)
    assert price.highest == pytest.approx(0.2)


def test_a_run_too_short_for_the_system_s_clock_is_told() -> None:
    with pytest.raises(RunError, match="10 records are too few"):
        compare(10, {"with": [5.0], "without": [0.0]})


def test_without_metrics_nothing_is_counted() -> None:
    script = without_metrics().command(Job("", "", "", "", "a", 1, ""))[2]
    code = (
        "import sys, runpy\n"
        "sys.argv = ['penstock', '--version']\n"
        f"try: runpy.run_path({script!r})\n"
        "except SystemExit: pass\n"
        "from prometheus_client import CollectorRegistry\n"
        "from streams.metrics import Metrics, Outcome\n"
        "registry = CollectorRegistry()\n"
        "metrics = Metrics(registry)\n"
        "agent = metrics.for_agent('a', ['t'], 'm')\n"
        "agent.took_in('t', 5); agent.finished('t', Outcome.ANSWERED, 5)\n"
        "agent.stage('decode', 1.0); agent.batch(5, 0.1); agent.ages_of([1, 2], [0, 1])\n"
        "agent.emitted('out', 5)\n"
        "for family in registry.collect():\n"
        "    for sample in family.samples:\n"
        "        if sample.name.endswith(('_total', '_count', '_in_flight')):\n"
        "            print(sample.name, sample.value)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    counted = [line.split() for line in done.stdout.splitlines()[1:]]
    assert len(counted) > 5
    assert {float(value) for _, value in counted} == {0.0}
