"""The audit of what a real worker did, with and without kills."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.commands.audit import AgentReport, AuditOptions, audit_pipeline
from agents.pipeline.file import load_pipeline
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_until


def audit(pipeline: Pipeline, **options: bool) -> AgentReport:
    settings = load_pipeline(pipeline.config, os.environ)
    return audit_pipeline(settings, AuditOptions(**options)).agent("double")  # type: ignore[arg-type]


def test_audit_proves_an_undisturbed_run(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    values: list[bytes | None] = [number(i) for i in range(2000)]
    values[100], values[200], values[300], values[400] = b"{bad", b"", number(13), None
    count = pipeline.produce(values)
    assert audit(pipeline).in_flight == count - 1
    with pipeline.worker() as worker:
        pipeline.await_finished(count - 1)
        worker.stop()
    report = audit(pipeline, is_drained=True, repeats_allowed=False)
    assert report.is_proven, report.culprits
    assert (report.records, report.answered, report.dead_lettered) == (count, count - 5, 4)
    assert (report.filtered, report.repeats, report.foreign) == (1, 0, 0)


@pytest.mark.kafka
def test_kills_cause_repeats_but_no_loss(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    count = pipeline.produce(number(100 + i) for i in range(6000))
    for _ in range(2):
        before = len(pipeline.answered())
        with pipeline.worker() as worker:
            pipeline.await_answered(before + 500)
            worker.kill()
        report = audit(pipeline)
        assert report.is_proven, report.culprits
    with pipeline.worker() as worker:
        wait_until("no record is in flight", lambda: audit(pipeline).in_flight == 0, timeout=60)
        worker.stop()
    report = audit(pipeline, is_drained=True)
    assert report.is_proven, report.culprits
    assert (report.answered, report.results) == (count, count + report.repeats)
