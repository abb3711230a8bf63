"""The bring-your-own example, end to end: its own event type, model and pipeline file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO
from tests.integration.running import Pipeline, RunningWorker, plain_environment, until


def test_rides_run_through_a_worker(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)  # for its ways to produce and read
    run = [sys.executable, "-c", "from agents.commands.main import main; main()"]
    environment = {
        **plain_environment(),
        "PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "PENSTOCK_KAFKA__GROUP_ID": pipeline.name,
        "PENSTOCK_AGENTS__MEASURE_SPEED__INPUT": pipeline.input,
        "PENSTOCK_AGENTS__MEASURE_SPEED__OUTPUT": pipeline.output,
        "PENSTOCK_METRICS__PORT": "0",
    }
    config = ["-c", str(REPO / "examples" / "rides" / "penstock.yaml")]
    subprocess.run([*run, "topics", "create", *config], env=environment, check=True)
    pipeline.produce([b'{"meters": 5000, "seconds": 600}', b'{"meters": 1, "seconds": 0}', b"{}"])
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*run, "worker", *config], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    worker = RunningWorker(process, log)
    try:
        until(lambda: "metrics at" in log.read_text())
        until(lambda: sum(worker.accounts()[o] for o in ("answered", "dead_lettered")) == 3)
        assert worker.stop() == 0, log.read_text()
    finally:
        process.kill()
    (answer,) = (json.loads(m.value() or b"") for m in pipeline.read(pipeline.output))
    assert (answer["kmh"], answer["is_fast"]) == (30.0, False)
    assert answer["model"] == "Speed"
    assert list(pipeline.refused().values()) == [["schema_error"]]
