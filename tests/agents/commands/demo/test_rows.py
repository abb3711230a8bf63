import numpy as np
import pytest

from agents.commands.demo.rows import WINDOW_SECONDS, AgentRow, Window, whole_run
from streams.settings import AgentSettings
from tests.agents.commands.demo.worlds import CountingEngine

SETTINGS = AgentSettings(input="video.frames", output="video.detections", model="m")


def test_rates_are_those_of_the_last_seconds() -> None:
    engine, window = CountingEngine(), Window()
    engine.finish(answered=1000)
    for second in range(20):
        engine.finish(answered=30)
        engine.agent.emitted("video.detections", 60)
        window.add(engine.look(seconds=float(second)))
    row = window.row("detect_objects", SETTINGS)
    assert row.in_per_second == pytest.approx(30)
    assert row.out_per_second == pytest.approx(60)
    assert WINDOW_SECONDS < 20


def test_times_and_lag_are_told() -> None:
    engine, window = CountingEngine(), Window()
    window.add(engine.look(0.0))
    engine.agent.batch(16, 0.25)
    engine.agent.stage("predict", 0.04)
    engine.metrics.event_age.observe("detect_objects", np.full(100, 1_000), 1_150.0)
    engine.metrics.lag.labels("video.frames", "0").set(4)
    engine.metrics.lag.labels("video.frames", "1").set(3)
    engine.metrics.lag.labels("text.messages", "1").set(100)
    window.add(engine.look(1.0))
    row = window.row("detect_objects", SETTINGS)
    assert row.batch_size == 16
    assert row.queue_seconds == pytest.approx(0.25)
    assert row.model_seconds == pytest.approx(0.04)
    assert row.lag == 7
    assert row.age_p50_seconds is not None
    assert 0.1 <= row.age_p50_seconds <= 0.2


def test_before_the_first_look_there_is_nothing() -> None:
    assert Window().row("detect_objects", SETTINGS) == AgentRow("detect_objects")


def test_the_whole_run_counts_from_the_start() -> None:
    engine = CountingEngine()
    engine.agent.batch(2, 0.0)
    engine.agent.batch(4, 0.0)
    assert whole_run("detect_objects", SETTINGS, engine.look(5.0)).batch_size == 3
