"""A model call that never returns, on a thread that no one can end: the worker ends instead."""

from __future__ import annotations

from pathlib import Path

from tests.integration.hostile_model import HANG, make_hostile
from tests.integration.probing import is_ready, is_serving, probe
from tests.integration.running import Pipeline, number, until


def test_a_worker_whose_model_hangs_leaves_and_exits_with_3(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    make_hostile(pipeline, predict_timeout_seconds=2)
    good = pipeline.produce([number(i) for i in range(100, 200)], num_keys=1)
    with pipeline.worker() as worker:
        pipeline.await_finished(good)
        until(lambda: is_ready(worker))
        assert probe(worker, "/live")[0] == 200
        pipeline.produce([number(HANG), number(1)], num_keys=1)
        assert worker.process.wait(timeout=30) == 3, worker.log.read_text()
    log = worker.log.read_text()
    assert "Traceback" not in log
    (line,) = (line for line in log.splitlines() if "the worker ends" in line)
    assert "agent double: a model call has not returned for 2 s" in line
    assert sorted(pipeline.committed().values())[-1] == good  # nothing past the batch
    assert len(pipeline.answered()) == good


def test_a_stop_while_a_model_hangs_ends_in_time(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, {"shutdown_timeout_seconds": 2})
    pipeline.produce([number(HANG)])
    with pipeline.worker() as worker:
        until(lambda: is_serving(worker) and worker.accounts()["in_flight"] == 1)
        assert worker.stop() == 0
    assert max(pipeline.committed().values()) <= 0


def test_stuck_without_a_limit_turns_live_false_and_the_worker_stays(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, {"liveness_timeout_seconds": 3})
    pipeline.produce([number(HANG)])
    with pipeline.worker() as worker:
        until(lambda: is_serving(worker) and probe(worker, "/live")[0] == 503)
        _, said = probe(worker, "/live")
        assert said["reasons"][0].startswith("agent double has records to work on")
        assert probe(worker, "/ready")[0] == 503
        assert worker.metrics()["penstock_live", frozenset()] == 0
        assert worker.process.poll() is None
