"""Exactly once, on Apache Kafka: whatever happens to workers, a committed reader sees each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.committed import (
    ExactlyOncePipeline,
    assert_all_is_committed,
    assert_each_record_once,
)
from tests.integration.running import number, until

pytestmark = pytest.mark.kafka


def test_every_record_has_one_outcome(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ExactlyOncePipeline(tmp_path, kafka_bootstrap)
    values = [number(100 + i) if i % 50 else b"{bad" for i in range(4000)]
    values[77] = number(13)  # the model refuses it
    count = pipeline.produce(values)
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        until(lambda: worker.accounts()["in_flight"] == 0)
        accounts = worker.accounts()
        assert worker.stop() == 0, worker.log.read_text()
    assert accounts["in"] == count
    assert accounts["dead_lettered"] == 81
    assert accounts["answered"] == count - 81
    assert_each_record_once(pipeline, count)
    assert_all_is_committed(pipeline)
