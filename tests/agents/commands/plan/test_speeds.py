"""Speeds are measured on the real models, read from files, or from a worker's metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agents.commands.plan import speeds
from agents.commands.plan.speeds import fit, measure_agent, read_speeds, speeds_of_metrics
from agents.errors import UserError
from agents.pipeline.file import load_pipeline

SLEEPER = '''
import time
from models.base import Model
from schemas import Result, SensorReading


class Answer(Result, frozen=True, kw_only=True, tag="Answer"):
    ok: bool = True


class Sleeper(Model[SensorReading, Answer]):
    """Takes 4 ms a call and 0.1 ms an event."""

    name = "sleeper"
    version = "1"
    event_type = SensorReading
    result_type = Answer

    def predict_batch(self, batch):
        time.sleep(0.004 + 0.0001 * len(batch))
        return [Answer() for _ in batch]
'''


@pytest.fixture(autouse=True)
def short_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "_MEASURED_SECONDS", 0.3)


def pipeline(folder: Path, agent: str, text: str) -> Path:
    path = folder / "penstock.yaml"
    path.write_text(f"kafka: {{bootstrap.servers: 'b:1'}}\nagents:\n  {agent}: {text}\n")
    return path


def test_times_of_a_call_and_of_an_event_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    path = pipeline(
        tmp_path, "score",
        "{input: a, output: b, event: SensorReading, model: './sleeper.py:Sleeper', "
        "batch: {max_batch_size: 128}}",
    )  # fmt: skip
    found = measure_agent("score", load_pipeline(path).agents["score"], tmp_path)
    # A sleep takes what is asked for, and a little more on a busy machine.
    assert 0.003 < found.batch_seconds < 0.02
    assert 0.00008 < found.event_seconds < 0.0004
    assert (found.agent, found.device, found.max_batch_size) == ("score", "cpu", 128)
    assert found.process_bytes > 10_000_000


def test_a_model_that_learns_is_timed_with_its_state(tmp_path: Path) -> None:
    path = pipeline(
        tmp_path, "score_anomalies", "{input: a, output: b, model: robust_zscore}"
    )  # fmt: skip
    found = measure_agent(
        "score_anomalies", load_pipeline(path).agents["score_anomalies"], tmp_path
    )
    assert found.event_seconds + found.batch_seconds > 0
    assert found.bytes_per_key > 8


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({10: 0.02, 110: 0.12}, (0.01, 0.001)),
        ({1: 0.02, 100: 0.02}, (0.02, 0.0)),
        ({1: 0.02, 100: 0.01}, (0.01, 0.0)),
        ({10: 0.001, 20: 0.1}, (0.0, 0.005)),
        ({1: 0.02}, (0.02, 0.0)),
    ],
)
def test_a_line_through_two_times(times: dict[int, float], expected: tuple[float, float]) -> None:
    assert fit(times) == pytest.approx(expected)


def test_a_file_of_speeds(tmp_path: Path) -> None:
    path = tmp_path / "speeds.json"
    one = {"agent": "a", "model": "m", "batch_seconds": 0.1, "event_seconds": 0.0,
           "max_batch_size": 8}  # fmt: skip
    for content in ([one], {"speeds": [one], "plan": {}}):
        path.write_text(json.dumps(content))
        assert read_speeds(path)[0].service.capacity == pytest.approx(8 / 0.1, rel=0.01)
    wrongs: tuple[Any, ...] = (
        {},
        [{"agent": "a"}],
        [{**one, "batch_seconds": -1}],
        [{**one, "max_batch_size": 0}],
    )
    for wrong in wrongs:
        path.write_text(json.dumps(wrong))
        with pytest.raises(UserError, match=r"speeds\.json: "):
            read_speeds(path)
    path.write_bytes(b"\xff{")
    with pytest.raises(UserError, match="expected a list of speeds"):
        read_speeds(path)


METRICS = """\
# TYPE penstock_busy_seconds counter
penstock_busy_seconds_total{agent="score_anomalies"} 20.0
# TYPE penstock_records counter
penstock_records_total{agent="score_anomalies",topic="x",outcome="answered"} 60000.0
penstock_records_total{agent="score_anomalies",topic="y",outcome="answered"} 40000.0
penstock_records_total{agent="score_anomalies",topic="y",outcome="filtered"} 5.0
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 5e8
"""


@pytest.fixture
def worker() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
        server.shutdown()
        thread.join()


def test_the_true_rate_of_a_running_worker(tmp_path: Path, worker: str) -> None:
    path = pipeline(tmp_path, "score_anomalies", "{}")
    (found,) = speeds_of_metrics(worker, load_pipeline(path), ["score_anomalies"])
    assert found.service.capacity == pytest.approx(5000)
    assert found.process_bytes == 500_000_000
    other = load_pipeline(pipeline(tmp_path, "detect_objects", "{}"))
    with pytest.raises(UserError, match="too little to plan by"):
        speeds_of_metrics(worker, other, ["detect_objects"])
    with pytest.raises(UserError, match="--metrics http"):
        speeds_of_metrics("http://127.0.0.1:1/metrics", load_pipeline(path), [])
