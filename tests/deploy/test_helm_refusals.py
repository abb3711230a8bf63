"""Values and pipeline files that would only crash a pod are refused, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.chart import template

#: Each case: changes as NAME=TEXT, of which P (the model), B (the broker), K (a line below `kafka`)
#: and X (a last line) change the pipeline file and the others are values; and what Helm says.
REFUSED = {
    "no pipeline file": ("kind=auto", "pipeline: there is no pipeline file: add --set-file"),
    "not a pipeline file": ("pipeline=a: 1", "it has no `agents`"),
    "a misspelled value": ("replica=3", "'replica' not allowed"),
    "a wrong type": ("replicas=many", "replicas"),
    "a number in env": ("env.A=1", "env"),
    "an unknown kind": ("kind=DaemonSet", "kind"),
    "a Deployment that learns": (
        "kind=Deployment,P=robust_zscore",
        "the models of watch learn: their state would move at each restart",
    ),
    "own code": ("P=./own.py:Model", "can't know whether the models of watch learn"),
    "a broker in the pod": ("B=localhost:9092", "in a pod, that is the pod itself"),
    "a password": ("K=sasl.password: hunter2", "kafka.sasl.password is written out"),
    "a member id in a Deployment": (
        "P=alert_text,K=group.instance.id: a",
        "kafka.group.instance.id in a Deployment",
    ),
    "a state folder": ("X=state: {store: ./state}", "which no pod can write to"),
    "a stop from outside": (
        "X=shutdown_timeout_seconds: ${STOP}",
        "set terminationGracePeriodSeconds",
    ),
    "scaling without partitions": (
        "autoscaling.enabled=true", "autoscaling.partitions: give the number of partitions",
    ),
    "scaling without Prometheus": (
        "autoscaling.enabled=true,autoscaling.partitions=4", "autoscaling.prometheus: name",
    ),
    "processes that don't divide": (
        "processes=3,autoscaling.enabled=true,autoscaling.partitions=4,"
        "autoscaling.prometheus=http://p:9090",
        "4 partitions can't be shared evenly by pods with 3 processes",
    ),
    "broker ports that can't be read": (
        "B=${KAFKA},networkPolicy.enabled=true", "list the brokers' ports in",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_mistakes_are_refused_with_a_line_that_says_what_to_do(case: str, tmp_path: Path) -> None:
    sets, expected = REFUSED[case]
    parts = dict(part.split("=", 1) for part in sets.split(","))
    file = tmp_path / "p.yaml"
    file.write_text(
        f"kafka:\n  bootstrap.servers: {parts.pop('B', 'kafka:9092')}\n  {parts.pop('K', '')}\n"
        f"agents:\n  watch: {{input: a, output: b, model: {parts.pop('P', 'robust_zscore')}}}\n"
        f"{parts.pop('X', '')}\n"
    )
    is_given = "pipeline" not in case
    done = template(*(f"{k}={v}" for k, v in parts.items()), pipeline=file if is_given else None)
    assert done.returncode != 0
    assert expected in done.stderr
