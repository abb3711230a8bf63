"""The Helm chart: what it renders means what the pipeline file and the engine say.

No cluster runs here. Real are Helm, and Penstock, which reads what a container would get.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agents.commands.lag.command import LAG_PORT
from agents.commands.main import app
from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import learning_agents
from streams.settings import PipelineSettings
from tests.conftest import REPO
from tests.deploy.chart import (
    BROKER,
    CHART,
    CLUSTER,
    EXAMPLES,
    Objects,
    container,
    environment,
    helm,
    one,
    pods,
    render,
    template,
    worker,
)

PIPELINES = sorted((REPO / "examples").rglob("*.yaml"))
ONLINE = REPO / "examples" / "penstock.yaml"


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda file: file.stem)
def example(request: pytest.FixtureRequest) -> Objects:
    """The objects of one of the examples."""
    return render(values=request.param)


def test_the_copied_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    script = REPO / "deploy" / "helm" / "generate.py"
    subprocess.run([sys.executable, script, tmp_path / "files"], check=True, cwd=REPO)
    expected = _texts(tmp_path / "files")
    assert len(expected) >= 5
    assert _texts(CHART / "files") == expected, "run deploy/helm/generate.py again"


def _texts(folder: Path) -> dict[str, str]:
    return {str(f.relative_to(folder)): f.read_text() for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda file: file.stem)
def test_helm_lint_finds_nothing(values: Path) -> None:
    done = helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda file: str(file.relative_to(REPO)))
def test_auto_takes_a_stateful_set_exactly_where_a_model_learns(pipeline: Path) -> None:
    """Judged by Penstock itself, which imports the models' classes."""
    learning = learning_agents(load_pipeline(pipeline, {}), pipeline.parent)
    done = template(BROKER, pipeline=pipeline)
    own_code = re.search(r"\.py:", pipeline.read_text())
    if own_code and not learning:
        assert "set kind to StatefulSet if one does, else to Deployment" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.safe_load_all(done.stdout) if document]
    assert worker(objects)["kind"] == ("StatefulSet" if learning else "Deployment")


def mounted_settings(objects: Objects, folder: Path, pod: str) -> PipelineSettings:
    """The pipeline as Penstock reads it in a pod of the release."""
    file = folder / "penstock.yaml"
    (text,) = (o["data"]["penstock.yaml"] for o in objects
               if o["kind"] == "ConfigMap" and o["metadata"]["name"] == "plant")  # fmt: skip
    file.write_text(text)
    return load_pipeline(file, environment(worker(objects), pod))


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda file: file.stem)
def test_a_pod_reads_the_pipeline_file_with_its_own_member_id(values: Path, tmp_path: Path) -> None:
    objects = render(values=values)
    is_static = worker(objects)["kind"] == "StatefulSet"
    settings = mounted_settings(objects, tmp_path, "plant-1")
    assert settings.metrics.host == "0.0.0.0"
    assert settings.metrics.port == container(worker(objects))["ports"][0]["containerPort"]
    assert settings.kafka.get("group.instance.id") == ("plant-1" if is_static else None)
    assert settings.kafka.get("session.timeout.ms") == (45_000 if is_static else None)
    if "sasl.password" in settings.kafka:
        assert settings.kafka["sasl.password"] == "s3cret"


def test_the_pipeline_file_is_mounted_to_the_letter(tmp_path: Path) -> None:
    objects = render(BROKER, pipeline=ONLINE)
    text = one(objects, "ConfigMap")["data"]["penstock.yaml"]
    assert text.strip() == ONLINE.read_text().strip()
    assert list(mounted_settings(objects, tmp_path, "p").agents) == list(
        load_pipeline(ONLINE, {}).agents
    )


def test_the_file_s_own_session_timeout_stays(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "kafka: {bootstrap.servers: 'kafka:9092', session.timeout.ms: 20000}\n"
        "agents: {score_anomalies: {}}\n"
    )
    settings = mounted_settings(render(pipeline=file), tmp_path, "plant-0")
    assert settings.kafka["session.timeout.ms"] == 20_000


def test_another_pipeline_file_makes_other_pods_and_the_same_one_does_not(tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(ONLINE.read_text().replace("max_batch_size: 1024", "max_batch_size: 512"))
    before, same, after = (
        worker(render(*sets, BROKER, pipeline=file))["spec"]["template"]["metadata"]["annotations"]
        for file, sets in ((ONLINE, ()), (ONLINE, ("replicas=4",)), (changed, ()))
    )
    assert before == same
    assert before["checksum/pipeline"] != after["checksum/pipeline"]


@pytest.mark.parametrize(
    ("processes", "stop", "grace"),
    [("1", "30", 40), ("4", "30", 50), ("auto", "30", 50), ("1", "0.5", 11), ("2", "600", 620)],
)
def test_a_pod_is_killed_only_after_a_worker_has_stopped(
    processes: str, stop: str, grace: int, tmp_path: Path
) -> None:
    """docs/operations.md: 10 seconds above the setting, 20 with several processes."""
    file = tmp_path / "p.yaml"
    file.write_text(f"shutdown_timeout_seconds: {stop}\nagents: {{understand_text: {{}}}}\n")
    objects = render(BROKER, f"processes={processes}", pipeline=file)
    spec = worker(objects)["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == grace
    assert (f"--processes={processes}" in container(worker(objects))["args"]) is (processes != "1")


def test_the_commands_know_their_options(example: Objects) -> None:
    for pod in pods(example):
        (made,) = pod["spec"]["containers"]
        command = [a for a in made["args"] if not a.startswith("-")]
        shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}).output
        for option in (a.partition("=")[0] for a in made["args"] if a.startswith("-")):
            assert option in shown, (command, option)


def test_probes_ask_what_the_worker_and_the_lag_serve(example: Objects) -> None:
    for name, port in (("worker", 9464), ("lag", LAG_PORT)):
        made = container(one(example, "Deployment", "StatefulSet", component=name))
        probes = {kind: made[kind]["httpGet"] for kind in made if kind.endswith("Probe")}
        assert made["ports"] == [{"name": "metrics", "containerPort": port}]
        assert {probe["port"] for probe in probes.values()} == {"metrics"}
        # Without partitions, or without the broker, a worker is live and not ready: no restart.
        assert {kind: probe["path"] for kind, probe in probes.items()} == {
            "startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready",
        }  # fmt: skip


def test_pods_are_restricted(example: Objects) -> None:
    """As the Pod Security Standard `restricted` asks, with a file system that is read-only."""
    for pod in pods(example):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        for made in spec["containers"]:
            context = made["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            writable = [m["mountPath"] for m in made["volumeMounts"] if not m.get("readOnly")]
            assert writable == ["/tmp"]


def test_the_image_s_user_is_the_pods(example: Objects) -> None:
    dockerfile = (REPO / "deploy" / "Dockerfile").read_text()
    users = {str(pod["spec"]["securityContext"]["runAsUser"]) for pod in pods(example)}
    assert users == set(re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE))


def test_every_selector_finds_the_pods_it_is_for(example: Objects) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(example)]
    for made in example:
        spec = made.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if selector is None:
            continue
        wanted = selector if made["kind"] == "Service" else selector["matchLabels"]
        found = [each for each in labels if wanted.items() <= each.items()]
        assert found, made["kind"]
        assert made["kind"] == "NetworkPolicy" or len(found) == 1


def test_a_gpu_pod_asks_for_its_gpus_and_the_cuda_image() -> None:
    objects = render(values=EXAMPLES[0])
    assert EXAMPLES[0].stem == "gpu"
    made = container(worker(objects))
    assert made["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "1"}
    assert made["image"].endswith("-cuda")
    assert (
        "nvidia.com/gpu"
        not in container(one(objects, "Deployment", component="lag"))["resources"]["limits"]
    )


def test_the_rules_are_those_of_the_repository() -> None:
    values = next(file for file in EXAMPLES if file.stem == "stateless")
    rendered = one(render(values=values), "PrometheusRule")["spec"]["groups"]
    prefix = "https://wiki.example/penstock/"
    expected: list[dict[str, Any]] = []
    for file in sorted((REPO / "deploy/prometheus/rules").glob("*.yml")):
        text = file.read_text().replace("runbook_url: ", f"runbook_url: {prefix}")
        expected += yaml.safe_load(text)["groups"]
    assert rendered == expected


def test_pod_monitors_name_the_jobs_that_the_alerts_name() -> None:
    config = yaml.safe_load((REPO / "deploy/prometheus/prometheus.yml").read_text())
    jobs = set()
    for monitor in render(values=EXAMPLES[0]):
        if monitor["kind"] == "PodMonitor":
            (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
            jobs |= {r["replacement"] for r in endpoint["relabelings"] if r["targetLabel"] == "job"}
    assert jobs == {job["job_name"] for job in config["scrape_configs"]}


def test_the_network_policy_opens_the_brokers_ports() -> None:
    values = next(file for file in EXAMPLES if file.stem == "stateless")
    spec = one(render(values=values), "NetworkPolicy")["spec"]
    ports = [rule["port"] for entry in spec["egress"] for rule in entry["ports"]]
    assert ports == [53, 53, 9093]
    assert spec["ingress"][0]["ports"] == [{"protocol": "TCP", "port": "metrics"}]


def test_topics_are_created_before_the_workers_with_the_same_pipeline_file() -> None:
    values = next(file for file in EXAMPLES if file.stem == "stateless")
    objects = render(values=values)
    job = one(objects, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    volumes = {v["name"]: v for v in job["spec"]["template"]["spec"]["volumes"]}
    named = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    assert named[volumes["pipeline"]["configMap"]["name"]] == named["plant"]
    assert len(named) == 2


def test_files_beside_the_pipeline_file_are_mounted_with_it(tmp_path: Path) -> None:
    folder = REPO / "examples" / "rides"
    done = helm(
        "template", "rides", CHART, *CLUSTER, "--set", f"kind=Deployment,{BROKER}",
        "--set-file", f"pipeline={folder / 'penstock.yaml'}",
        "--set-file", rf"files.rides\.py={folder / 'rides.py'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.safe_load_all(done.stdout) if document]
    for name, text in one(objects, "ConfigMap")["data"].items():
        (tmp_path / name).write_text(text)
    settings = load_pipeline(tmp_path / "penstock.yaml", environment(worker(objects), "p"))
    assert learning_agents(settings, tmp_path) == []
