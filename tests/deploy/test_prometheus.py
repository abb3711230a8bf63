"""Prometheus' configuration and rules, checked by promtool and against the worker's metrics."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.commands.lag.exporting import LagExporter
from agents.errors import EXIT_CODE, expected_errors
from agents.process.exit import FENCED_EXIT_CODE, HANG_EXIT_CODE
from agents.process.group_metrics import GroupMetrics
from streams.health.gpu_metrics import GpuMetrics
from streams.health.metrics import Metrics
from tests.conftest import REPO, skip_or_fail
from tests.docs.markdown import table
from tests.streams.health.test_gpu_metrics import FakeNvml

FOLDER = REPO / "deploy" / "prometheus"
#: The files of rules; each has a file of unit tests.
RULES = sorted(file.stem for file in (FOLDER / "rules").glob("*.yml"))
#: An alert's sentences have labels or a value in them, but for these, which are about nothing.
_WITHOUT_VALUES = {"PenstockNoWorker"}


@pytest.mark.parametrize(
    "arguments",
    [
        "check config prometheus.yml",
        "check rules --lint-fatal " + " ".join(f"rules/{name}.yml" for name in RULES),
        *(f"test rules tests/{name}_test.yml" for name in RULES),
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


def rules() -> list[dict[str, Any]]:
    assert len(RULES) >= 4
    documents = (yaml.safe_load((FOLDER / "rules" / f"{name}.yml").read_text()) for name in RULES)
    return [rule for document in documents for group in document["groups"]
            for rule in group["rules"]]  # fmt: skip


def alerts() -> dict[str, dict[str, Any]]:
    found = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert len(found) >= 30
    return found


def test_every_alert_has_a_severity_a_summary_values_and_a_long_description() -> None:
    for name, rule in alerts().items():
        annotations = rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert set(annotations) == {"summary", "description", "runbook_url"}, name
        assert len(annotations["description"].split()) > 20, name
        assert "{{ $" in annotations["summary"] or name in _WITHOUT_VALUES, name


def test_every_alert_has_a_runbook() -> None:
    for name, rule in alerts().items():
        runbook = REPO / rule["annotations"]["runbook_url"]
        assert runbook == REPO / "docs" / "runbooks" / f"{name}.md"
        assert_is_runbook(runbook)


def test_every_exit_code_has_a_runbook() -> None:
    """Those of `agents`, named in its constants, and that of a killed process."""
    codes = {1, EXIT_CODE, HANG_EXIT_CODE, FENCED_EXIT_CODE}
    table_rows = table(REPO / "docs" / "operations.md", "exit codes")
    assert {row[0] for row in table_rows} == {"0", *map(str, codes), "128 + n"}
    for code in (*codes, 128):
        assert_is_runbook(REPO / "docs" / "runbooks" / f"exit-{code}.md")


def test_every_error_that_ends_a_process_is_on_the_page_of_its_exit_code() -> None:
    """A worker's last line names its error; a class that is new here has to be written down."""
    pages = (REPO / "docs" / "runbooks").glob("exit-*.md")
    named = {name for page in pages for name in re.findall(r"`(\w+Error)`", page.read_text())}
    assert named >= {error.__name__ for error in expected_errors()}
    #: These don't end a process: the first becomes a dead letter, the second is its cause.
    caught = {"RecordTooLargeError", "ChildDiedError"}
    ends = [
        error for error in _public_errors("streams", "agents/process")
        if not named & {base.__name__ for base in error.__mro__} and error.__name__ not in caught
    ]  # fmt: skip
    assert ends == []


def _public_errors(*packages: str) -> Iterator[type[Exception]]:
    """Every public exception class that a package defines, found by its source."""
    for package in packages:
        for file in sorted((REPO / package).rglob("*.py")):
            if not (names := re.findall(r"^class ([A-Z]\w+Error)\(", file.read_text(), re.M)):
                continue
            module = importlib.import_module(".".join(file.relative_to(REPO).with_suffix("").parts))
            yield from (getattr(module, name) for name in names)


def test_no_runbook_is_about_nothing() -> None:
    about = {f"exit-{code}" for code in (1, 2, 3, 4, 128)} | alerts().keys() | {"README"}
    assert {page.stem for page in (REPO / "docs" / "runbooks").iterdir()} == about


def assert_is_runbook(page: Path) -> None:
    """A runbook says what it means, how to look and what to do, with something to type."""
    text = page.read_text()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["What it means", "How to look", "What to do"], page.name
    for section in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
        assert len(section.split()) >= 15, page.name
    assert "`" in text or "```" in text, page.name


def cases_of(alert: str) -> tuple[int, int]:
    """How often the unit tests expect an alert to fire, and to be silent."""
    fires = silent = 0
    for name in RULES:
        document = yaml.safe_load((FOLDER / "tests" / f"{name}_test.yml").read_text())
        for test in document["tests"]:
            expected = [
                case["exp_samples"] for case in test.get("promql_expr_test", [])
                if f'alertname="{alert}", alertstate="firing"' in case["expr"]
            ] + [
                case["exp_alerts"] for case in test.get("alert_rule_test", [])
                if case["alertname"] == alert
            ]  # fmt: skip
            fires += sum(bool(samples) for samples in expected)
            silent += sum(not samples for samples in expected)
    return fires, silent


def test_every_alert_is_tested_to_fire_and_to_stay_silent() -> None:
    cases = {name: cases_of(name) for name in alerts()}
    assert {name: found for name, found in cases.items() if 0 in found} == {}


def test_alerts_use_only_metrics_that_are_exported() -> None:
    """By a worker, or by `penstock lag --serve`."""
    exported = set()
    registry = CollectorRegistry()
    Metrics(registry)
    gpus = GpuMetrics(FakeNvml(), registry, None)
    group = GroupMetrics({}, CollectorRegistry())
    families = [*registry.collect(), *gpus.collect(), *LagExporter([], 1.0, 1.0).collect()]
    for family in [*families, *group.collect()]:
        exported.add(f"{family.name}_total" if family.type == "counter" else family.name)
        if family.type == "histogram":
            exported |= {f"{family.name}_{part}" for part in ("bucket", "count", "sum")}
    for rule in rules():
        named = set(re.findall(r"penstock_\w+", str(rule["expr"])))
        assert named <= exported, rule


def test_alerts_use_only_recorded_series_that_are_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in re.findall(r"penstock:[\w:]+", rule["expr"])}
    assert used == recorded
