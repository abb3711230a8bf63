"""Several processes' metrics and probes at one address."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from agents.process.group_metrics import GroupMetrics
from streams.health.health import ProbeResult
from streams.health.http_server import serve_locally
from streams.health.metrics import Metrics
from streams.health.outcomes import Outcome


def serve_worker(path: Path, answered: int, reasons: list[str]) -> None:
    """Serve a worker's real metrics at a socket."""
    registry = CollectorRegistry()
    agent = Metrics(registry).for_agent("a", ["t"], "m")
    agent.took_in("t", answered)
    agent.finished("t", Outcome.ANSWERED, answered)
    agent.batch(answered, 0.01)
    probe = ProbeResult.of(reasons, {})
    serve_locally(
        path, registry, {"/live": lambda: ProbeResult.of([], {}), "/ready": lambda: probe}
    )


@pytest.fixture
def sockets(tmp_path: Path) -> dict[str, Path]:
    return {f"{i}/3": tmp_path / f"{i}.sock" for i in (1, 2, 3)}


def values(registry: CollectorRegistry, name: str) -> dict[str, float]:
    """The samples of a name by process, as Prometheus reads them."""
    text = generate_latest(registry).decode()
    return {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.labels.get("outcome", "answered") == "answered"
    }


def test_each_process_has_its_samples_and_one_that_is_away_has_none(
    sockets: dict[str, Path],
) -> None:
    registry = CollectorRegistry()
    GroupMetrics(sockets, registry)
    serve_worker(sockets["1/3"], 10, [])
    serve_worker(sockets["3/3"], 30, [])
    assert values(registry, "penstock_records_total") == {"1": 10, "3": 30}
    assert values(registry, "penstock_batch_size_count") == {"1": 1, "3": 1}
    assert values(registry, "penstock_process_up") == {"1": 1, "2": 0, "3": 1}
    text = generate_latest(registry).decode()
    assert text.count("# TYPE penstock_records_total counter") == 1
    assert text.count("# TYPE penstock_batch_size histogram") == 1


def test_probes_name_the_process_and_one_that_has_not_begun_is_live(
    sockets: dict[str, Path],
) -> None:
    group = GroupMetrics(sockets, CollectorRegistry())
    serve_worker(sockets["1/3"], 1, [])
    serve_worker(sockets["2/3"], 1, ["no partition is assigned to this worker"])
    assert group.live().ok
    ready = group.ready()
    assert ready.reasons == [
        "[2/3] no partition is assigned to this worker",
        "[3/3] does not answer",
    ]
    assert ready.facts == {"processes": 3, "processes_ok": 1}
    serve_worker(sockets["3/3"], 1, [])
    assert group.ready().facts["processes_ok"] == 2


def test_a_process_that_no_longer_answers_is_not_live(sockets: dict[str, Path]) -> None:
    group = GroupMetrics({"1/3": sockets["1/3"]}, CollectorRegistry())
    serve_worker(sockets["1/3"], 1, [])
    assert group.live().ok
    os.unlink(sockets["1/3"])
    # As of a process that is frozen: the system accepts the connection, and nobody answers.
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(sockets["1/3"]))
        frozen.listen()
        assert group.live().reasons == ["[1/3] does not answer"]
