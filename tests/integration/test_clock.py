"""The system clock is set under a running worker: it goes on, says so, and counts what it drops."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.integration.pipelines import Pipeline
from tests.waiting import wait_for_count, wait_until

#: Appended to the module of the model, which the worker imports: a file sets the worker's clock.
_SET_CLOCK = """
from pathlib import Path
_step, _time, _time_ns = Path(__file__).with_name("step"), time.time, time.time_ns

def _seconds():
    try:
        return float(_step.read_text() or 0)
    except OSError:
        return 0.0

time.time = lambda: _time() + _seconds()
time.time_ns = lambda: _time_ns() + int(_seconds() * 1e9)
"""


@dataclass
class LatestPipeline(Pipeline):
    """A pipeline that drops events older than a minute."""

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        agent = settings["agents"]["double"]
        settings["agents"]["double"] = {**agent, "overload": "latest", "deadline_seconds": 60.0}
        return settings

    def publish_now(self, count: int) -> None:
        """Publish events of this moment, by the right clock."""
        now_ms = int(time.time() * 1000)
        self.produce(
            msgspec.json.encode({"x": 20.0 + i, "event_time_ms": now_ms}) for i in range(count)
        )


def test_a_clock_that_is_set_is_said_and_counted(tmp_path: Path, embedded_bootstrap: str) -> None:
    pipeline = LatestPipeline(tmp_path, embedded_bootstrap)
    with (tmp_path / "doubling.py").open("a") as module:
        module.write(_SET_CLOCK)
    step = tmp_path / "step"
    with pipeline.worker() as worker:
        worker.await_ready()
        pipeline.publish_now(20)
        worker.await_answered(20)

        def num_steps() -> int:
            return int(worker.metrics()["penstock_clock_steps_total", frozenset()])

        step.write_text("10800")
        wait_for_count("steps of the clock", num_steps, 1)
        pipeline.publish_now(20)
        wait_for_count("records filtered", lambda: worker.accounts()["filtered"], 20)
        assert worker.probe("/live")[0] == 200

        step.write_text("-10800")
        wait_for_count("steps of the clock", num_steps, 2)
        pipeline.publish_now(20)
        worker.await_answered(40)
        wait_until("the worker is ready", worker.is_ready)
        log = worker.log_text()
        assert "the system clock has moved forward by 10800" in log
        assert "the system clock has moved back by 21600" in log
        worker.stop()
