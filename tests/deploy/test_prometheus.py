"""Prometheus' configuration and rules, checked by promtool and against the worker's metrics."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import CollectorRegistry

from streams.health.metrics import Metrics
from tests.conftest import REPO, skip_or_fail

FOLDER = REPO / "deploy" / "prometheus"


@pytest.mark.parametrize(
    "arguments",
    [
        "check config prometheus.yml",
        "check rules --lint-fatal rules/penstock.yml",
        "test rules tests/penstock_test.yml",
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
    groups = yaml.safe_load((FOLDER / "rules" / "penstock.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_has_a_summary_and_a_long_description() -> None:
    for rule in rules():
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert set(annotations) == {"summary", "description"}, rule["alert"]
        assert len(annotations["description"].split()) > 20, rule["alert"]


def test_every_alert_is_unit_tested() -> None:
    tests = (FOLDER / "tests" / "penstock_test.yml").read_text()
    untested = [rule["alert"] for rule in rules() if str(rule["alert"]) not in tests]
    assert untested == []


def test_alerts_use_only_metrics_that_a_worker_exports() -> None:
    exported = set()
    registry = CollectorRegistry()
    Metrics(registry)
    for family in registry.collect():
        exported.add(f"{family.name}_total" if family.type == "counter" else family.name)
    for rule in rules():
        named = set(re.findall(r"penstock_\w+", str(rule["expr"])))
        assert named <= exported, rule["alert"]
