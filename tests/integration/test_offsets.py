"""`penstock offsets` on Apache Kafka: a group is moved back, on, and to a time."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.pipelines import Pipeline, number
from tests.penstock_command import run_penstock
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


def offsets(pipeline: Pipeline, *words: str) -> dict[str, Any]:
    done = run_penstock("offsets", *words, "-c", str(pipeline.config), "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lag_of(pipeline: Pipeline) -> int:
    done = run_penstock("lag", "-c", str(pipeline.config), "--json")
    lag: int = json.loads(done.stdout)["lag_records"]
    return lag


@pytest.fixture
def pipeline(tmp_path: Path, kafka_bootstrap: str) -> Pipeline:
    """A pipeline whose worker has answered 40 records and is gone."""
    made = Pipeline(tmp_path, kafka_bootstrap, partitions=2)
    made.produce(number(x) for x in range(20, 60))
    with made.worker() as worker:
        made.await_answered(40)
        wait_until("all is committed", lambda: lag_of(made) == 0)
        refused = run_penstock(
            "offsets", "reset", "--to", "earliest", "--apply", "-c", str(made.config)
        )
        assert refused.returncode == 2
        assert "stop its workers first" in refused.stderr
        worker.stop()
    return made


def test_nothing_moves_without_apply(pipeline: Pipeline) -> None:
    before = offsets(pipeline, "show")
    planned = offsets(pipeline, "reset", "--to", "earliest")
    assert not planned["is_applied"]
    assert sum(p["committed"] - p["target"] for p in planned["partitions"]) == 40
    assert offsets(pipeline, "show") == before


def test_records_are_answered_again_with_the_same_ids(pipeline: Pipeline) -> None:
    assert offsets(pipeline, "reset", "--to", "earliest", "--apply")["is_applied"]
    assert lag_of(pipeline) == 40
    with pipeline.worker() as worker:
        wait_until("40 are answered again", lambda: len(pipeline.read(pipeline.output)) == 80)
        worker.stop()
    ids = [dict(message.headers())["ce_id"] for message in pipeline.read(pipeline.output)]
    assert len(set(ids)) == 40


def test_waiting_records_can_be_skipped(pipeline: Pipeline) -> None:
    pipeline.produce(number(x) for x in range(100, 150))
    wait_until("50 records wait", lambda: lag_of(pipeline) == 50)
    offsets(pipeline, "reset", "--to", "latest", "--apply")
    assert lag_of(pipeline) == 0


def test_a_group_goes_back_to_a_time(pipeline: Pipeline) -> None:
    time.sleep(1.5)
    since = datetime.now(UTC)
    pipeline.produce(number(x) for x in range(100, 150))
    wait_until("50 records wait", lambda: lag_of(pipeline) == 50)
    offsets(pipeline, "reset", "--to", "latest", "--apply")
    offsets(pipeline, "reset", "--to", since.isoformat(), "--apply")
    assert lag_of(pipeline) == 50


def test_only_one_partition_moves(pipeline: Pipeline) -> None:
    before = {p["partition"]: p["committed"] for p in offsets(pipeline, "show")["partitions"]}
    offsets(pipeline, "reset", "--to", "earliest", "--partition", "1", "--apply")
    after = {p["partition"]: p["committed"] for p in offsets(pipeline, "show")["partitions"]}
    assert after == {0: before[0], 1: 0}
