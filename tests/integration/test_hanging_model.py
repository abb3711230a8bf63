"""A model call that never returns: a thread can't be ended, so the worker process ends."""

from __future__ import annotations

from pathlib import Path

from tests.integration.hostile_model import HANG, await_in_flight, make_hostile
from tests.integration.outcomes import line_with
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_until


def test_a_worker_whose_model_hangs_exits_with_3(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    make_hostile(pipeline, predict_timeout_seconds=2)
    good = pipeline.produce([number(i) for i in range(100, 200)], num_keys=1)
    with pipeline.worker() as worker:
        pipeline.await_finished(good)
        worker.await_ready()
        assert worker.probe("/live")[0] == 200
        pipeline.produce([number(HANG), number(1)], num_keys=1)
        log = worker.await_exit(3, timeout=30)
    reason = "agent double: a model call has not returned for 2 s"
    assert reason in line_with(log, "the worker ends")
    assert max(pipeline.committed().values()) == good, "offsets of the hanging batch are committed"
    assert len(pipeline.answered()) == good


def test_a_stop_while_a_model_hangs_ends_in_time(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, {"shutdown_timeout_seconds": 2})
    pipeline.produce([number(HANG)])
    with pipeline.worker() as worker:
        await_in_flight(worker)
        worker.stop()
    assert max(pipeline.committed().values()) <= 0, "the hanging record is committed"


def test_without_a_limit_a_hanging_model_fails_the_live_probe(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, {"liveness_timeout_seconds": 3})
    pipeline.produce([number(HANG)])
    with pipeline.worker() as worker:
        worker.await_started()
        wait_until("/live answers 503", lambda: worker.probe("/live")[0] == 503)
        _, answer = worker.probe("/live")
        assert answer["reasons"][0].startswith("agent double has records to work on")
        assert worker.probe("/ready")[0] == 503
        assert worker.metrics()["penstock_live", frozenset()] == 0
        assert worker.is_running(), worker.log_text()
