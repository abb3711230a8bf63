"""Render the Helm chart as `helm install` would, and find things in what it renders."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import REPO, skip_or_fail

CHART = REPO / "deploy" / "helm" / "penstock"
#: Values files that users start from: each has a pipeline file in it.
EXAMPLES = sorted((REPO / "deploy" / "helm" / "examples").glob("*.yaml"))
#: What a pipeline file for this machine alone lacks in a cluster.
BROKER = "env.PENSTOCK_KAFKA__BOOTSTRAP_SERVERS=kafka:9092"

#: Helm as `go install` builds it does not know which Kubernetes it was made for.
CLUSTER = ("--kube-version", "1.33.0")

Objects = list[dict[str, Any]]


@functools.cache
def tools_folder() -> Path:
    """Where `make tools` installs the programs of these tests."""
    script = REPO / "deploy" / "tools" / "install"
    done = subprocess.run([script, "where"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def tool(path: str) -> Path:
    """Return a program or a folder below it, or skip."""
    found = tools_folder() / path
    if not found.exists():
        skip_or_fail(f"{found} is absent: `make tools` installs it")
    return found


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Helm, which asks no cluster for anything here."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    command = [tool("helm/helm"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


def template(
    *sets: str, values: Path | None = None, pipeline: Path | None = None, name: str = "plant"
) -> subprocess.CompletedProcess[str]:
    """Render a release with values from a file, a pipeline file and `--set` texts."""
    arguments = ["template", name, str(CHART), "--namespace", "streams", *CLUSTER]
    arguments += ["--values", str(values)] if values else []
    arguments += ["--set-file", f"pipeline={pipeline}"] if pipeline else []
    arguments += [part for text in sets for part in ("--set", text)]
    return helm(*arguments)


def render(
    *sets: str, values: Path | None = None, pipeline: Path | None = None, name: str = "plant"
) -> Objects:
    """Return the objects of a release."""
    done = template(*sets, values=values, pipeline=pipeline, name=name)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def one(objects: Objects, *kinds: str, component: str = "") -> dict[str, Any]:
    """Return the only object of a kind, or of several; of a component where that is given."""
    (found,) = [
        o for o in objects
        if o["kind"] in kinds and component in ("", o["metadata"]["labels"].get(_COMPONENT))
    ]  # fmt: skip
    return found


_COMPONENT = "app.kubernetes.io/component"


def worker(objects: Objects) -> dict[str, Any]:
    """Return the Deployment or StatefulSet of the workers."""
    return one(objects, "Deployment", "StatefulSet", component="worker")


def pods(objects: Objects) -> Iterator[dict[str, Any]]:
    """Every pod that the objects make, as metadata and spec."""
    for made in objects:
        if "template" in made.get("spec", {}):
            yield made["spec"]["template"]


def container(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the only container of a workload."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(workload: dict[str, Any], pod: str, secrets: str = "s3cret") -> dict[str, str]:
    """Return the variables that a container of a pod has; every secret is the same text."""
    found = {}
    for variable in container(workload)["env"]:
        source = variable.get("valueFrom", {})
        assert set(source) <= {"fieldRef", "secretKeyRef"}
        if "fieldRef" in source:
            assert source["fieldRef"] == {"fieldPath": "metadata.name"}
        value = pod if "fieldRef" in source else secrets
        found[variable["name"]] = value if source else variable["value"]
    return found
