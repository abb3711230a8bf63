"""What the chart renders fits the schemas of Kubernetes, KEDA and the Prometheus operator."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import EXAMPLES, Objects, one, render, tool, worker

#: The oldest and the newest Kubernetes that the chart is checked for.
KUBERNETES = ("1.27", "1.37")
OPERATORS = ("keda.sh", "monitoring.coreos.com")


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda file: file.stem)
def example(request: pytest.FixtureRequest) -> Objects:
    """The objects of one of the examples."""
    return render(values=request.param)


@pytest.mark.slow
@pytest.mark.parametrize("version", KUBERNETES)
def test_the_objects_fit_the_schemas_of_kubernetes(example: Objects, version: str) -> None:
    done = _kubernetes_validate(example, version)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_schemas_of_kubernetes_find_mistakes() -> None:
    objects = render(values=EXAMPLES[0])
    worker(objects)["spec"]["template"]["spec"]["terminationGracePeriod"] = 30
    assert _kubernetes_validate(objects, KUBERNETES[0]).returncode != 0


def _kubernetes_validate(objects: Objects, version: str) -> subprocess.CompletedProcess[str]:
    built_in = [o for o in objects if not o["apiVersion"].startswith(OPERATORS)]
    assert len(built_in) >= 5
    command = [str(tool("python/bin/kubernetes-validate")), "--strict", "-k", version, "-"]
    text = yaml.safe_dump_all(built_in)
    return subprocess.run(command, input=text, text=True, capture_output=True, check=False)


@pytest.mark.slow
def test_the_objects_fit_the_schemas_of_keda_and_the_prometheus_operator(tmp_path: Path) -> None:
    objects = [o for values in EXAMPLES for o in render(values=values)
               if o["apiVersion"].startswith(OPERATORS)]  # fmt: skip
    kinds = {o["kind"] for o in objects}
    assert kinds == {"ScaledObject", "PodMonitor", "PrometheusRule"}
    assert _operator_mistakes(objects, tmp_path) == []


@pytest.mark.slow
def test_the_schemas_of_the_operators_find_wrong_values_and_unknown_fields(tmp_path: Path) -> None:
    objects = [o for o in render(values=EXAMPLES[0]) if o["apiVersion"].startswith(OPERATORS)]
    one(objects, "ScaledObject")["spec"]["triggers"][0]["metadata"]["threshold"] = 1
    monitor = next(o for o in objects if o["kind"] == "PodMonitor")
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "5s"
    mistakes = _operator_mistakes(objects, tmp_path)
    assert any("triggers/0/metadata/threshold must be string" in m for m in mistakes), mistakes
    assert any("intervall" in m for m in mistakes), mistakes


def _operator_mistakes(objects: Objects, folder: Path) -> list[str]:
    script = folder / "schemas.mjs"
    script.write_text((Path(__file__).parent / "schemas.mjs").read_text())
    (folder / "node_modules").symlink_to(tool("node") / "node_modules")
    done = subprocess.run(
        ["node", script], input=json.dumps(objects), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
