"""`isolation: process`: a model that hangs, dies or raises affects only the records at fault."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from schemas import DeadLetter
from tests.integration.hostile_model import DIE, EXIT, HANG, await_in_flight, make_hostile
from tests.integration.outcomes import assert_answered_once
from tests.integration.pipelines import Pipeline, number
from tests.integration.processes import await_ended, children_of
from tests.integration.workers import RunningWorker
from tests.waiting import wait_for_count

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def await_two_model_processes(worker: RunningWorker) -> list[int]:
    """Wait until both copies of the model run and have work; return their process ids."""
    wait_for_count("model processes", lambda: len(children_of(worker.process.pid)), 2)
    await_in_flight(worker)
    return children_of(worker.process.pid)


def letters_by_number(pipeline: Pipeline) -> dict[float, DeadLetter]:
    """Every dead letter, by the number in its record."""
    return {
        json.loads(message.value() or b"")["x"]: DeadLetter.from_headers(message.headers() or [])
        for message in pipeline.read(pipeline.dead_letters)
    }


def test_only_records_at_fault_become_dead_letters(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    make_hostile(pipeline, isolation="process", predict_timeout_seconds=2)
    bad = [HANG, DIE, EXIT, 13, 14]
    numbers = [float(i) for i in range(100, 300)]
    for index, fault in enumerate(bad):
        numbers.insert(20 + 37 * index, float(fault))
    count = pipeline.produce(map(number, numbers))
    with pipeline.worker() as worker:
        pipeline.await_finished(count, timeout=120)
        worker.await_drained()
        accounts, metrics = worker.accounts(), worker.metrics()
        worker.stop()
    assert accounts["answered"] == count - len(bad)
    assert accounts["dead_lettered"] == len(bad)
    letters = letters_by_number(pipeline)
    assert {x: letter.reason for x, letter in letters.items()} == {
        HANG: "model_timeout", DIE: "model_died", EXIT: "model_died",
        13: "model_error", 14: "refused",
    }  # fmt: skip
    assert letters[13].exception == "ArithmeticError"
    assert letters[13].message == "the model raised ArithmeticError: 13 brings bad luck"
    assert (letters[14].exception, letters[14].message) == ("Refused", "14 is refused")
    # Each was tried with its batch, then alone or in a half.
    assert all(letters[x].attempts >= 2 for x in (HANG, DIE, EXIT))
    assert "signal 11" in letters[DIE].message
    assert "exit code 7" in letters[EXIT].message
    of_agent = {("agent", "double")}
    assert metrics["penstock_model_timeouts_total", frozenset(of_agent)] >= 2
    died = frozenset({*of_agent, ("reason", "died")})
    assert metrics["penstock_model_restarts_total", died] >= 4
    assert_answered_once(pipeline)
    assert sorted(y for (y,) in pipeline.answered().values()) == [2.0 * i for i in range(100, 300)]
    (message, *_) = pipeline.read(pipeline.output)
    assert b'"model_version":"loaded"' in (message.value() or b"")


def test_a_killed_model_process_loses_nothing(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, isolation="process")
    first = pipeline.produce(number(i) for i in range(100, 200))
    with pipeline.worker() as worker:
        pipeline.await_finished(first)
        (child,) = children_of(worker.process.pid)
        os.kill(child, signal.SIGKILL)
        second = pipeline.produce(number(i) for i in range(200, 300))
        pipeline.await_finished(first + second)
        assert children_of(worker.process.pid) != [child], "the killed process was not replaced"
        worker.stop()
    assert len(pipeline.answered()) == first + second
    assert letters_by_number(pipeline) == {}


def test_model_processes_end_with_a_killed_worker(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, isolation="process", concurrency=2)
    pipeline.produce([number(HANG), *(number(i) for i in range(100, 110))])
    with pipeline.worker() as worker:
        model_processes = await_two_model_processes(worker)
        worker.kill()
        await_ended(model_processes)


def test_a_stop_ends_the_model_processes(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    make_hostile(pipeline, {"shutdown_timeout_seconds": 2}, isolation="process", concurrency=2)
    pipeline.produce([number(HANG)])
    with pipeline.worker() as worker:
        model_processes = await_two_model_processes(worker)
        worker.stop()
        await_ended(model_processes)
