"""The dashboards: generated from their panels, provisioned by compose, of metrics that exist.

tests/integration/test_dashboards.py runs every query against a real Prometheus.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agents.commands.lag.exporting import LagExporter
from streams.health.gpu_metrics import GpuMetrics
from streams.health.metrics import Metrics
from tests.conftest import REPO
from tests.streams.health.test_gpu_metrics import FakeNvml

FOLDER = REPO / "deploy" / "grafana"
FILES = sorted((FOLDER / "dashboards").glob("*.json"))


def panels(file: Path) -> list[dict[str, Any]]:
    return [p for p in json.loads(file.read_text())["panels"] if p["type"] != "row"]


def queries(file: Path) -> list[str]:
    return [target["expr"] for panel in panels(file) for target in panel["targets"]]


def test_the_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    script = FOLDER / "generate.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    assert {file.name for file in FILES} == {"penstock.json", "penstock-gpus.json"}
    for file in FILES:
        assert file.read_text() == (tmp_path / file.name).read_text(), f"run {script.name} again"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_have_titles_units_and_queries_and_do_not_overlap(file: Path) -> None:
    places: set[tuple[int, int]] = set()
    for panel in panels(file):
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["expr"] for target in panel["targets"])
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & places, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= cells


def test_queries_use_only_metrics_and_records_that_exist() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    gpus = GpuMetrics(FakeNvml(), registry, None)
    exported = set()
    for family in [*registry.collect(), *gpus.collect(), *LagExporter([], 1, 1).collect()]:
        exported.add(f"{family.name}_total" if family.type == "counter" else family.name)
        exported |= {f"{family.name}_{part}" for part in ("bucket", "count", "sum")}
    rules = "".join(f.read_text() for f in (REPO / "deploy/prometheus/rules").glob("*.yml"))
    recorded = set(re.findall(r"record: (\S+)", rules))
    named = {n for file in FILES for q in queries(file) for n in re.findall(r"penstock[\w:]+", q)}
    assert len(named) > 25
    assert named <= exported | recorded


def test_compose_provisions_the_dashboards_and_their_source() -> None:
    compose = yaml.safe_load((REPO / "docker-compose.yml").read_text())["services"]
    mounted = dict(volume.split(":")[1::-1] for volume in compose["grafana"]["volumes"])
    provisioned = Path(mounted["/etc/grafana/provisioning"])
    source = yaml.safe_load((REPO / provisioned / "datasources/prometheus.yml").read_text())
    (prometheus,) = source["datasources"]
    assert prometheus["url"] == "http://prometheus:9090"
    assert "prometheus" in compose
    provider = yaml.safe_load((REPO / provisioned / "dashboards/penstock.yml").read_text())
    (folder,) = (p["options"]["path"] for p in provider["providers"])
    assert (REPO / mounted[folder]).resolve() == FOLDER / "dashboards"
