"""`penstock worker --processes N`: several members of the group, started and ended as one."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agents.process.share import Share, allowed_cores
from tests.integration.outcomes import assert_answered_once
from tests.integration.pipelines import Pipeline, number
from tests.integration.processes import await_ended, children_of, is_alive
from tests.integration.workers import RunningWorker
from tests.waiting import wait_for_count, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@contextmanager
def two_processes(pipeline: Pipeline) -> Iterator[RunningWorker]:
    """Run two processes that both hold partitions; both are killed if they outlive the block."""
    with pipeline.worker("--processes", "2") as worker:
        children: list[int] = []
        try:
            wait_for_count("processes", lambda: len(children_of(worker.process.pid)), 2)
            children = children_of(worker.process.pid)
            # Not on the embedded broker: it often takes several rounds to form a group of two.
            wait_until(
                "each process holds two partitions",
                lambda: assigned(worker) == {"1/2": 2, "2/2": 2},
                timeout=60,
            )
            yield worker
        finally:
            for pid in filter(is_alive, children):
                os.kill(pid, signal.SIGKILL)


def assigned(worker: RunningWorker) -> dict[str, int]:
    """How many partitions each process holds, by the log."""
    holding = re.findall(r"^\[(\d/\d)\] .* holding (\d+) partitions$", worker.log_text(), re.M)
    return {name: int(count) for name, count in holding if int(count)}


def answered_by_process(worker: RunningWorker) -> list[float]:
    """What each process has answered, by the metrics of their one address."""
    by_process: dict[str, float] = {}
    for (name, labels), value in worker.metrics().items():
        of = dict(labels)
        if name == "penstock_records_total" and of["outcome"] == "answered":
            by_process[of["process"]] = by_process.get(of["process"], 0.0) + value
    return list(by_process.values())


@pytest.mark.kafka
def test_two_processes_share_the_work_and_end_as_one(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        count = pipeline.produce(number(100 + i) for i in range(3000))
        pipeline.await_finished(count)
        assert worker.accounts() == Counter({"in": count, "answered": count})
        answered = answered_by_process(worker)
        assert worker.probe("/ready") == (
            200, {"ok": True, "reasons": [], "facts": {"processes": 2, "processes_ok": 2}}
        )  # fmt: skip
        worker.stop()
    assert len(answered) == 2, "both processes have metrics"
    assert sum(answered) == count
    assert min(answered) > 0, answered
    assert_answered_once(pipeline)
    assert "Traceback" not in worker.log_text()


@pytest.mark.kafka
def test_a_killed_process_ends_the_other(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        first, second = children_of(worker.process.pid)
        os.kill(first, signal.SIGKILL)
        assert worker.process.wait(timeout=30) == 128 + signal.SIGKILL
        assert not is_alive(second), "the second process still runs"
    assert "ended by itself with signal 9" in worker.log_text()


@pytest.mark.kafka
def test_processes_end_with_a_killed_parent(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        children = children_of(worker.process.pid)
        worker.kill()
        await_ended(children)


@pytest.mark.kafka
def test_each_process_has_its_share_of_the_cores(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        used_cores = list(map(os.sched_getaffinity, children_of(worker.process.pid)))
        worker.stop()
    cores = allowed_cores()
    assert used_cores == [set(Share(i, 2).of(cores)) for i in range(2)]


def test_a_model_error_names_the_process(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    (tmp_path / "doubling.py").write_text(
        "class Doubling:\n"
        "    def __init__(self, batch_seconds): pass\n"
        "    def load(self, device): raise OSError('weights.bin is gone')\n"
        "    def predict_batch(self, batch): return batch\n"
        "from schemas import SensorReading as Number\n"
    )
    with pipeline.worker("--processes", "2") as worker:
        log = worker.await_exit(2)
    assert re.search(r"^penstock: error: \[[12]/2\] agent double: .*weights.bin is gone", log, re.M)


@pytest.mark.parametrize("processes", ["0", "-1", "two", "1.5"])
def test_an_invalid_number_of_processes(
    tmp_path: Path, embedded_bootstrap: str, processes: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    with pipeline.worker(f"--processes={processes}") as worker:
        log = worker.await_exit(2)
    assert "expected a whole number of at least 1, or auto" in log
