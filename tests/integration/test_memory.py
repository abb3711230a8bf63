"""A worker that is far behind reads no more than its budget, over all of its partitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.integration.pipelines import Pipeline
from tests.integration.workers import RunningWorker
from tests.waiting import wait_until

MIB = 1024 * 1024
PARTITIONS, RECORDS, VALUE_BYTES = 64, 8_000, 2_000
#: What each partition may pass the limit by (`streams/input_buffer.py`).
_ONE_RECORD = VALUE_BYTES + 300
#: A response has at least one batch of each producer request, and 64 KiB.
_ONE_FETCH = 256 * 1024


def value(number: int) -> bytes:
    return json.dumps({"x": number + 1_000, "text": "x" * VALUE_BYTES}).encode()


def test_the_budget_holds_over_all_partitions(tmp_path: Path, kafka_bootstrap: str) -> None:
    """16 MB wait in 64 partitions, each far below its own limits; the budget is 2 MiB."""
    pipeline = Pipeline(tmp_path, kafka_bootstrap, PARTITIONS, batch_seconds=0.05)
    settings: dict[str, Any] = pipeline.settings()
    settings["input_buffer_max_bytes"] = 2 * MIB
    settings["kafka"] |= {"fetch.max.bytes": 256 * 1024, "max.partition.fetch.bytes": 16 * 1024}
    pipeline.config.write_text(yaml.safe_dump(settings))
    pipeline.produce(map(value, range(RECORDS)), num_keys=640)
    seen: dict[str, list[float]] = {"in_work": [], "fetched": []}

    def is_finished(worker: RunningWorker) -> bool:
        metrics = worker.metrics()
        for place, sizes in seen.items():
            sample = "penstock_input_buffer_bytes", frozenset({("place", place)})
            sizes.append(metrics.get(sample, 0.0))  # none yet while the models load
        return worker.accounts()["answered"] >= RECORDS

    with pipeline.worker() as worker:
        worker.await_started()
        wait_until("all records are answered", lambda: is_finished(worker), 240)
        worker.stop()
    assert MIB / 2 < max(seen["in_work"]) <= MIB + PARTITIONS * _ONE_RECORD, seen["in_work"]
    assert max(seen["fetched"]) <= MIB + _ONE_FETCH, seen["fetched"]
