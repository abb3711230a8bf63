"""The audit of what a real worker did, killed on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.commands.audit import AgentReport, AuditOptions, audit_pipeline
from agents.pipeline.file import load_pipeline
from tests.integration.running import Pipeline, number, until


def audited(pipeline: Pipeline, **options: bool) -> AgentReport:
    settings = load_pipeline(pipeline.config, os.environ)
    return audit_pipeline(settings, AuditOptions(**options)).agent("double")  # type: ignore[arg-type]


def test_a_workers_run_is_proven(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    values: list[bytes | None] = [number(i) for i in range(2000)]
    values[100], values[200], values[300], values[400] = b"{bad", b"", number(13), None
    count = pipeline.produce(values)
    assert audited(pipeline).in_flight == count - 1
    with pipeline.worker() as worker:
        pipeline.await_finished(count - 1)
        assert worker.stop() == 0, worker.log.read_text()
    found = audited(pipeline, is_drained=True, repeats_allowed=False)
    assert found.is_proven, found.culprits
    assert (found.records, found.answered, found.dead_lettered) == (count, count - 5, 4)
    assert (found.filtered, found.repeats, found.foreign) == (1, 0, 0)


@pytest.mark.kafka
def test_kills_repeat_but_lose_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    count = pipeline.produce(number(100 + i) for i in range(6000))
    for _ in range(2):
        before = len(pipeline.answered())
        with pipeline.worker() as worker:
            until(lambda: len(pipeline.answered()) > before + 500)  # noqa: B023
            worker.kill()
        assert audited(pipeline).is_proven
    with pipeline.worker() as worker:
        until(lambda: audited(pipeline).in_flight == 0, timeout=60)
        assert worker.stop() == 0
    found = audited(pipeline, is_drained=True)
    assert found.is_proven, found.culprits
    assert (found.answered, found.results) == (count, count + found.repeats)
