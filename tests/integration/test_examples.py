"""The example `rides`, end to end: a user's event type, model and pipeline file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import REPO
from tests.integration.pipelines import Pipeline
from tests.integration.workers import running_worker
from tests.penstock_command import run_penstock


def test_rides_run_through_a_worker(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)  # to produce and read
    environment = {
        "PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "PENSTOCK_KAFKA__GROUP_ID": pipeline.name,
        "PENSTOCK_AGENTS__MEASURE_SPEED__INPUT": pipeline.input,
        "PENSTOCK_AGENTS__MEASURE_SPEED__OUTPUT": pipeline.output,
        "PENSTOCK_METRICS__PORT": "0",
    }
    config = REPO / "examples" / "rides" / "penstock.yaml"
    created = run_penstock("topics", "create", "-c", str(config), env=environment)
    assert created.returncode == 0, created.stderr
    pipeline.produce([b'{"meters": 5000, "seconds": 600}', b'{"meters": 1, "seconds": 0}', b"{}"])
    with running_worker(config, env=environment, log_folder=tmp_path) as worker:
        worker.await_finished(3)
        worker.stop()
    (answer,) = (json.loads(m.value() or b"") for m in pipeline.read(pipeline.output))
    assert (answer["kmh"], answer["is_fast"]) == (30.0, False)
    assert answer["model"] == "Speed"
    assert list(pipeline.refused().values()) == [["schema_error"]]
