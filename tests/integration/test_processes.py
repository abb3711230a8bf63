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
from tests.integration.running import Pipeline, RunningWorker, number, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@contextmanager
def two_processes(pipeline: Pipeline) -> Iterator[RunningWorker]:
    """Two members that both have partitions; none is left behind."""
    with pipeline.worker("--processes", "2") as worker:
        children: list[int] = []
        try:
            until(lambda: len(children_of(worker.process.pid)) == 2)
            children = children_of(worker.process.pid)
            # Not on the embedded broker: it often takes several rounds to form a group of two.
            until(lambda: assigned(worker) == {"1/2": 2, "2/2": 2}, timeout=60)
            yield worker
        finally:
            for pid in filter(is_alive, children):
                os.kill(pid, signal.SIGKILL)


def children_of(parent: int) -> list[int]:
    """The processes that a process has started, in the order of starting."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def assigned(worker: RunningWorker) -> dict[str, int]:
    """How many partitions each process holds, as the log tells it."""
    found = re.findall(r"^\[(\d/\d)\] .* holding (\d+) partitions$", worker.log.read_text(), re.M)
    return {name: int(count) for name, count in found if int(count)}


@pytest.mark.kafka
def test_two_processes_share_the_work_and_end_as_one(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        count = pipeline.produce(number(100 + i) for i in range(3000))
        pipeline.await_finished(count)
        urls = re.findall(r"metrics at (\S+)", worker.log.read_text())
        answered: Counter[str] = Counter()
        for url in urls:
            one = RunningWorker(worker.process, tmp_path / "one.log")
            one.log.write_text(f"metrics at {url}")
            answered[url] = one.accounts()["answered"]
        assert worker.stop() == 0, worker.log.read_text()
    assert len(urls) == 2
    assert sum(answered.values()) == count
    assert min(answered.values()) > 0
    assert all(len(answers) == 1 for answers in pipeline.answered().values())
    assert "Traceback" not in worker.log.read_text()


@pytest.mark.kafka
def test_one_that_is_killed_ends_the_others(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        first, second = children_of(worker.process.pid)
        os.kill(first, signal.SIGKILL)
        assert worker.process.wait(timeout=30) == 128 + signal.SIGKILL
        assert not is_alive(second)
    assert "ended by itself with signal 9" in worker.log.read_text()


@pytest.mark.kafka
def test_none_outlives_a_killed_starter(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        children = children_of(worker.process.pid)
        worker.kill()
        until(lambda: not any(map(is_alive, children)), timeout=30)


@pytest.mark.kafka
def test_each_process_has_its_share_of_the_cores(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    with two_processes(pipeline) as worker:
        used = [os.sched_getaffinity(pid) for pid in children_of(worker.process.pid)]
        assert worker.stop() == 0
    cores = allowed_cores()
    assert used == [set(Share(i, 2).of(cores)) for i in range(2)]


def test_what_is_wrong_with_the_model_is_told_with_the_process_s_name(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    (tmp_path / "doubling.py").write_text(
        "class Doubling:\n"
        "    def __init__(self, batch_seconds): pass\n"
        "    def load(self, device): raise OSError('weights.bin is gone')\n"
        "    def predict_batch(self, batch): return batch\n"
        "from schemas import SensorReading as Number\n"
    )
    with pipeline.worker("--processes", "2") as worker:
        assert worker.process.wait(timeout=60) == 2
    log = worker.log.read_text()
    assert re.search(r"^penstock: error: \[[12]/2\] agent double: .*weights.bin is gone", log, re.M)
    assert "Traceback" not in log


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_of_processes(
    tmp_path: Path, embedded_bootstrap: str, asked: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    with pipeline.worker(f"--processes={asked}") as worker:
        assert worker.process.wait(timeout=30) == 2
    assert "expected a whole number of at least 1, or auto" in worker.log.read_text()
