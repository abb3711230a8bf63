"""`isolation: process` without a broker: real children, real models."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from agents.pipeline.parts import load_agent
from agents.process.model_proxy import ProcessModel, isolated
from models.base import ModelError
from schemas import SensorReading, VideoFrame
from schemas.errors import ModelDiedError, ModelTimeoutError
from streams.health.metrics import Metrics
from streams.predicting import predict_each
from streams.settings import AgentSettings, ModelSettings
from tests.models.linear_onnx import save_linear

_MODEL = """
import os, signal, sys, time
from schemas import Event

class Number(Event, frozen=True, kw_only=True):
    x: float

class Odd:
    event_type = Number

    def __init__(self, good: int = 1):
        if good < 0:
            raise ValueError(f"good is {good}: expected a number from 0 up")
        self.good = good

    def load(self, device):
        if os.path.exists(os.path.join(os.path.dirname(__file__), "broken")):
            from models.base import ModelError
            raise ModelError("weights.bin is gone: fetch it")

    def predict_batch(self, batch):
        print("to stdout")
        for event in batch:
            if event.x == 1: time.sleep(3600)
            if event.x == 2: os.kill(os.getpid(), signal.SIGKILL)
        if len(batch) == 7: return []
        return [{"y": 2 * event.x, "pid": os.getpid()} for event in batch]
"""


def make(folder: Path, **settings: Any) -> ProcessModel:
    agent = AgentSettings(**{"input": "in", "output": "out", "isolation": "process", **settings})
    parts = load_agent(agent, folder)
    model = isolated(Metrics(CollectorRegistry()), "odd", agent, folder, parts)()
    assert isinstance(model, ProcessModel)
    return model


@pytest.fixture
def odd(tmp_path: Path) -> Any:
    (tmp_path / "odd.py").write_text(_MODEL)
    settings = {"model": "./odd.py:Odd", "event": "./odd.py:Number", "predict_timeout_seconds": 1}
    return lambda **more: make(tmp_path, **{**settings, **more})


def numbers(folder: Path, *xs: float) -> list[Any]:
    settings = AgentSettings(
        input="in", output="out", model="./odd.py:Odd", event="./odd.py:Number"
    )
    event_type: Any = load_agent(settings, folder).event_type
    return [event_type(x=x) for x in xs]


def test_answers_come_from_another_process(tmp_path: Path, odd: Any) -> None:
    model = odd()
    assert not model.is_warm
    model.load("cpu")
    assert (model.is_warm, model.name, model.version) == (True, "Odd", "1")
    answers = model.predict_batch(numbers(tmp_path, 3, 4))
    assert [answer["y"] for answer in answers] == [6, 8]
    assert answers[0]["pid"] != os.getpid()
    model.close()
    assert not model.is_warm


def test_a_call_over_its_timeout_is_ended_and_the_next_is_answered(
    tmp_path: Path, odd: Any
) -> None:
    model = odd()
    model.load("cpu")
    before = model.predict_batch(numbers(tmp_path, 3))[0]["pid"]
    with pytest.raises(ModelTimeoutError, match="had not answered after 1 s"):
        model.predict_batch(numbers(tmp_path, 3, 1))
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert model.predict_batch(numbers(tmp_path, 3))[0]["pid"] != before
    model.close()


def test_the_error_names_the_signal_that_killed_the_child(tmp_path: Path, odd: Any) -> None:
    model = odd()
    model.load("cpu")
    with pytest.raises(ModelDiedError, match="signal 9"):
        model.predict_batch(numbers(tmp_path, 2))
    model.close()


def test_a_failing_batch_is_tried_again_then_halved(tmp_path: Path, odd: Any) -> None:
    model = odd()
    model.load("cpu")
    answers = predict_each(model.predict_batch, numbers(tmp_path, 3, 2, 4, 5))
    model.close()
    assert [getattr(a, "reason", "answered") for a in answers] == [
        "answered", "model_died", "answered", "answered",
    ]  # fmt: skip
    assert answers[1].attempts == 4  # twice as four, as two, alone


def test_a_wrong_number_of_answers_is_an_error(tmp_path: Path, odd: Any) -> None:
    model = odd()
    model.load("cpu")
    with pytest.raises(RuntimeError, match="7 events in, 0 answers out"):
        model.predict_batch(numbers(tmp_path, *range(3, 10)))
    model.close()


def test_wrong_options_are_an_error_before_a_child_starts(odd: Any) -> None:
    with pytest.raises(ModelError, match="good is -1"):
        odd(model=ModelSettings(name="./odd.py:Odd", options={"good": -1}))


def test_a_load_error_keeps_the_message_of_the_model(tmp_path: Path, odd: Any) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(ModelError, match=r"^weights\.bin is gone: fetch it$"):
        odd().load("cpu")


def test_loading_again_is_retried_with_a_back_off_until_it_works(
    tmp_path: Path, odd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = odd()
    model.load("cpu")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            (tmp_path / "broken").unlink()

    model._sleep = wait
    (tmp_path / "broken").touch()
    with pytest.raises(ModelDiedError):
        model.predict_batch(numbers(tmp_path, 2))
    assert not model.is_warm
    with caplog.at_level(logging.ERROR, "agents.process.model_proxy"):
        assert model.predict_batch(numbers(tmp_path, 3))[0]["y"] == 6
    model.close()
    assert waits == [0.1, 0.2, 0.4, 0.8]
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == [
        "model Odd can't be loaded again: weights.bin is gone: fetch it; retrying"
    ]


def test_a_model_that_learns_can_not_run_in_a_child_process() -> None:
    settings = AgentSettings(input="in", output="out", model="robust_zscore", isolation="process")
    with pytest.raises(ModelError, match="for models that don't learn, and robust_zscore does"):
        load_agent(settings)


def test_a_registered_model_gives_the_same_answers_as_on_a_thread(tmp_path: Path) -> None:
    path = save_linear(tmp_path / "linear.onnx")
    settings = {
        "model": ModelSettings(name=path, options={"features": ["a", "b"]}),
        "event": "SensorReading",
    }
    readings = [SensorReading(values={"a": float(i), "b": 2.0}) for i in range(5)]
    readings.append(SensorReading(values={"a": 1.0}))
    model = make(tmp_path, **settings)
    model.load("cpu")
    parts = load_agent(AgentSettings(input="in", output="out", **settings), tmp_path)  # type: ignore[arg-type]
    plain = parts.make_model()
    plain.load("cpu")
    from_child: list[Any] = list(model.predict_batch(readings))
    from_thread: list[Any] = list(plain.predict_batch(readings))
    assert from_child[:5] == from_thread[:5]
    errors = from_child[5], from_thread[5]
    assert errors[0].reason == errors[1].reason
    assert str(errors[0]) == str(errors[1])
    assert model.version == plain.version
    model.close()
    plain.close()


def test_detections_from_a_child_equal_those_of_the_worker(tmp_path: Path) -> None:
    model = make(tmp_path, model="traffic_detector", event="VideoFrame", codec="image")
    assert model.prepares
    model.load("cpu")
    from PIL import Image

    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    file = tmp_path / "frame.png"
    Image.fromarray(noise).save(file)
    frames = [VideoFrame(image=file.read_bytes(), frame_index=i) for i in range(8)]
    answers = model.predict_batch(frames)
    model.close()
    parts = load_agent(AgentSettings(input="in", output="out", model="traffic_detector"))
    plain = parts.make_model()
    plain.load("cpu")
    assert [msgspec.json.encode(a) for a in answers] == [
        msgspec.json.encode(a) for a in plain.predict_batch(frames)
    ]
    plain.close()
