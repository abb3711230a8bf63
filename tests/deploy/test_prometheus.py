"""Prometheus' configuration and rules, checked by promtool and against the worker's metrics."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.commands.lag.exporting import LagExporter
from streams.health.metrics import Metrics
from tests.conftest import REPO, skip_or_fail

FOLDER = REPO / "deploy" / "prometheus"


@pytest.mark.parametrize(
    "arguments",
    [
        "check config prometheus.yml",
        "check rules --lint-fatal rules/penstock.yml rules/broker.yml",
        "test rules tests/penstock_test.yml tests/broker_test.yml",
    ],
)
def test_promtool_accepts_the_files(arguments: str) -> None:
    if shutil.which("promtool") is None:
        skip_or_fail("promtool is absent: `make tools` installs it")
    done = subprocess.run(
        ["promtool", *arguments.split()], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout + done.stderr


def rules() -> list[dict[str, object]]:
    files = sorted((FOLDER / "rules").glob("*.yml"))
    assert len(files) >= 2
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_has_a_summary_and_a_long_description() -> None:
    for rule in rules():
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert set(annotations) == {"summary", "description"}, rule["alert"]
        assert len(annotations["description"].split()) > 20, rule["alert"]


def test_every_alert_is_unit_tested() -> None:
    tests = "".join(file.read_text() for file in (FOLDER / "tests").glob("*.yml"))
    untested = [rule["alert"] for rule in rules() if str(rule["alert"]) not in tests]
    assert untested == []


def test_alerts_use_only_metrics_that_are_exported() -> None:
    """By a worker, or by `penstock lag --serve`."""
    exported = set()
    registry = CollectorRegistry()
    Metrics(registry)
    for family in [*registry.collect(), *LagExporter([], 1.0, 1.0).collect()]:
        exported.add(f"{family.name}_total" if family.type == "counter" else family.name)
    for rule in rules():
        named = set(re.findall(r"penstock_\w+", str(rule["expr"])))
        assert named <= exported, rule["alert"]
