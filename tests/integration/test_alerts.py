"""From a fault in a worker to a notice at a webhook, through real Prometheus and Alertmanager.

Rules, intervals and routes are those of deploy/prometheus. `penstock bench alerts` prints how long.
"""

from __future__ import annotations

import pytest

from benchmarks.harness.alerts import measure_alerts
from benchmarks.harness.monitoring import missing_programs
from tests.conftest import REPO, skip_or_fail


@pytest.fixture(autouse=True)
def need_programs() -> None:
    """Skip (or fail) without the programs."""
    if absent := missing_programs():
        skip_or_fail(f"{', '.join(absent)} absent: `make tools` installs it")


def test_faults_are_told_and_so_is_their_end(embedded_bootstrap: str) -> None:
    results = measure_alerts(embedded_bootstrap, print)
    assert [(result.fault, result.alert) for result in results] == [
        ("a worker is killed", "PenstockWorkerDown"),
        ("a model hangs", "PenstockNotLive"),
    ]
    for result in results:
        assert result.firing.at < result.resolved.at
        assert result.firing.labels == result.resolved.labels
        assert result.firing.labels["severity"] == "critical"
        assert result.firing.labels["instance"] in result.firing.annotations["summary"]
        runbook = REPO / result.firing.annotations["runbook_url"]
        assert runbook.read_text().startswith(f"# {result.alert}")
