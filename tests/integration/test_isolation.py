"""A model in a process of its own that hangs, dies and raises: only the culprits suffer."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from schemas import DeadLetter
from tests.integration.hostile_model import DIE, EXIT, HANG, make_hostile
from tests.integration.running import Pipeline, RunningWorker, number, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def children(worker: RunningWorker) -> list[int]:
    """The processes that a worker has started (each thread lists its own)."""
    tasks = Path(f"/proc/{worker.process.pid}/task").glob("*/children")
    return sorted(int(pid) for task in tasks for pid in task.read_text().split())


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "\nState:\tZ" not in status


def letters(pipeline: Pipeline) -> dict[float, DeadLetter]:
    """Every dead letter by the number that it is about."""
    return {
        json.loads(message.value() or b"")["x"]: DeadLetter.from_headers(message.headers() or [])
        for message in pipeline.read(pipeline.dead_letters)
    }


def test_only_the_culprits_suffer(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    make_hostile(pipeline, isolation="process", predict_timeout_seconds=2)
    bad = [HANG, DIE, EXIT, 13, 14]
    numbers = [float(i) for i in range(100, 300)]
    for at, culprit in enumerate(bad):
        numbers.insert(20 + 37 * at, float(culprit))
    count = pipeline.produce(map(number, numbers))
    with pipeline.worker() as worker:
        pipeline.await_finished(count, timeout=120)
        until(lambda: worker.accounts()["in_flight"] == 0)
        accounts, metrics = worker.accounts(), worker.metrics()
        assert worker.stop() == 0, worker.log.read_text()
    assert accounts["answered"] == count - len(bad)
    assert accounts["dead_lettered"] == len(bad)
    found = letters(pipeline)
    assert {x: letter.reason for x, letter in found.items()} == {
        HANG: "model_timeout", DIE: "model_died", EXIT: "model_died",
        13: "model_error", 14: "refused",
    }  # fmt: skip
    assert found[13].exception == "ArithmeticError"
    assert found[13].message == "the model raised ArithmeticError: 13 brings bad luck"
    assert (found[14].exception, found[14].message) == ("Refused", "14 is refused")
    # Alone from the start, or in a batch that was tried again and halved.
    assert all(found[x].attempts >= 2 for x in (HANG, DIE, EXIT))
    assert "signal 11" in found[DIE].message
    assert "exit code 7" in found[EXIT].message
    of_agent = {("agent", "double")}
    assert metrics["penstock_model_timeouts_total", frozenset(of_agent)] >= 2
    died = frozenset({*of_agent, ("reason", "died")})
    assert metrics["penstock_model_restarts_total", died] >= 4
    answers = pipeline.answered()
    assert all(len(given) == 1 for given in answers.values())
    assert sorted(y for (y,) in answers.values()) == [2.0 * i for i in range(100, 300)]
    (message, *_) = pipeline.read(pipeline.output)
    assert b'"model_version":"loaded"' in (message.value() or b"")


def test_a_child_killed_from_outside_costs_nothing(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, isolation="process")
    first = pipeline.produce(number(i) for i in range(100, 200))
    with pipeline.worker() as worker:
        pipeline.await_finished(first)
        (child,) = children(worker)
        os.kill(child, signal.SIGKILL)
        second = pipeline.produce(number(i) for i in range(200, 300))
        pipeline.await_finished(first + second)
        assert children(worker) != [child]
        assert worker.stop() == 0
    assert len(pipeline.answered()) == first + second
    assert letters(pipeline) == {}


def test_no_child_outlives_its_worker(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, isolation="process", concurrency=2)
    pipeline.produce([number(HANG), *(number(i) for i in range(100, 110))])
    with pipeline.worker() as worker:
        until(lambda: "metrics at" in worker.log.read_text() and len(children(worker)) == 2)
        until(lambda: worker.accounts()["in_flight"] > 0)
        started = children(worker)
        worker.kill()
        until(lambda: not any(map(is_alive, started)), timeout=10)


def test_a_stop_ends_the_children(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, {"shutdown_timeout_seconds": 2}, isolation="process", concurrency=2)
    pipeline.produce([number(HANG)])
    with pipeline.worker() as worker:
        until(lambda: "metrics at" in worker.log.read_text() and len(children(worker)) == 2)
        until(lambda: worker.accounts()["in_flight"] > 0)
        started = children(worker)
        assert worker.stop() == 0
        until(lambda: not any(map(is_alive, started)), timeout=10)
