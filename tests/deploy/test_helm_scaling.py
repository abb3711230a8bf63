"""Autoscaling: the query that KEDA would send, evaluated by promtool over made-up series.

The example `online` has 24 partitions and 2 processes a pod, so 1, 2, 3, 4, 6 or 12 pods are even.
A worker is to be used at 0.7, and a backlog to be worked off in 300 seconds.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPO, skip_or_fail
from tests.deploy.chart import one, render, worker

ONLINE = REPO / "deploy" / "helm" / "examples" / "online.yaml"
_STEP_SECONDS = 15
_HOUR = 240


@dataclass(frozen=True)
class Agent:
    """What an agent's workers count, each second, and what waits."""

    name: str = "score"
    taken_in: float = 1_400
    answered: float = 1_400
    filtered: float = 0
    busy: float = 2
    """Busy seconds a second, of all processes: 1,400 records in 2 of them are 700 a process."""
    lag: float | None = 0
    """Records that wait; None: nobody reads the lag."""
    lag_growth: float = 0
    release: str = "plant"

    def series(self) -> list[dict[str, str]]:
        """Its series over an hour."""
        counted = {
            "penstock_records_in_total": ("topic='t'", 0, self.taken_in),
            "penstock_records_total": ("topic='t', outcome='answered'", 0, self.answered),
            "penstock_busy_seconds_total": ("process='1'", 0, self.busy),
        }
        found = [self._series(name, *rest) for name, rest in counted.items()]
        if self.filtered:
            labels = "topic='t', outcome='filtered'"
            found.append(self._series("penstock_records_total", labels, 0, self.filtered))
        if self.lag is not None:
            labels = f"group='{self.release}', topic='t', partition='0'"
            lag = (labels, self.lag, self.lag_growth)
            found.append(self._series("penstock_group_lag_records", *lag))
        return found

    def _series(self, name: str, labels: str, start: float, growth: float) -> dict[str, str]:
        labels = f"namespace='streams', release='{self.release}', agent='{self.name}', {labels}"
        step = growth * _STEP_SECONDS
        return {"series": f"{name}{{{labels}}}", "values": f"{start:f}+{step:f}x{_HOUR}"}


def scaled_object(*sets: str) -> dict[str, Any]:
    return dict(one(render(*sets, values=ONLINE), "ScaledObject")["spec"])


# 700 records a second and process, used at 0.7, in 2 processes: 980 a pod.
CASES = {
    "steady: 1,400 / 980": ([Agent()], 2),
    "just enough": ([Agent(taken_in=979, answered=979, busy=979 / 700)], 1),
    "lag: (1,400 + 600,000 / 300) / 980 = 3.5": ([Agent(lag=600_000)], 4),
    "even: (1,400 + 900,000 / 300) / 980 = 4.5 is 6 pods": ([Agent(lag=900_000)], 6),
    "no more than partitions": ([Agent(lag=1e9)], 12),
    "idle": ([Agent(taken_in=0, answered=0, busy=0)], 0),
    "nothing known, but records wait": ([Agent(taken_in=0, answered=0, busy=0, lag=50)], 1),
    "the agent that needs most decides": (
        [Agent(), Agent("cluster", taken_in=100, answered=100, busy=1), Agent("idle", 0, 0, busy=0),
         Agent("slow", taken_in=100, answered=100, busy=4)],
        3,
    ),
    "filtered records take time too": ([Agent(answered=140, filtered=1_260)], 2),
    "other releases do not count": ([Agent(), Agent(taken_in=9e6, lag=1e9, release="other")], 2),
    "no lag, no answer": ([Agent(lag=None)], None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_query_is_the_number_of_pods_that_the_formula_gives(case: str, tmp_path: Path) -> None:
    agents, expected = CASES[case]
    assert_pods(scaled_object(), agents, expected, tmp_path)


def test_a_lag_that_grows_is_what_producers_send_beyond_what_workers_take_in(
    tmp_path: Path,
) -> None:
    growing = [Agent(lag_growth=700)]
    never = "autoscaling.catchUpSeconds=1000000000"
    assert_pods(scaled_object(never), growing, 3, tmp_path)  # (1,400 + 700) / 980
    assert_pods(scaled_object(never), [Agent(lag=700)], 2, tmp_path)


def assert_pods(
    spec: dict[str, Any], agents: list[Agent], expected: int | None, folder: Path
) -> None:
    """Let promtool evaluate the query after 50 minutes of the agents' series."""
    if shutil.which("promtool") is None:
        skip_or_fail("promtool is absent: `make tools` installs it")
    (trigger,) = spec["triggers"]
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    document = {
        "rule_files": [],
        "evaluation_interval": "15s",
        "tests": [{
            "interval": f"{_STEP_SECONDS}s",
            "input_series": [series for agent in agents for series in agent.series()],
            "promql_expr_test": [{
                "expr": trigger["metadata"]["query"], "eval_time": "50m", "exp_samples": samples,
            }],
        }],
    }  # fmt: skip
    file = folder / "scaling_test.yml"
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_keda_takes_the_query_s_value_as_the_number_of_pods() -> None:
    """Desired = ceil(value / threshold), which HPAs compute for an average value."""
    (trigger,) = scaled_object()["triggers"]
    assert trigger["metricType"] == "AverageValue"
    assert trigger["metadata"]["threshold"] == "1"
    assert trigger["metadata"]["ignoreNullValues"] == "false"


def test_one_pod_goes_every_five_minutes() -> None:
    behavior = scaled_object()["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_the_scaled_object_has_the_workers_alone_and_they_no_replicas() -> None:
    objects = render(values=ONLINE)
    workers, spec = worker(objects), one(objects, "ScaledObject")["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": workers["apiVersion"],
        "kind": workers["kind"],
        "name": workers["metadata"]["name"],
    }
    assert "replicas" not in workers["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 12)


@pytest.mark.parametrize(
    ("sets", "largest"),
    [("autoscaling.maxReplicas=5", 4), ("processes=1", 24), ("processes=8", 3)],
)
def test_no_pod_is_without_a_partition(sets: str, largest: int) -> None:
    assert scaled_object(sets)["maxReplicaCount"] == largest
