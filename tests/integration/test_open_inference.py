"""Models of a real server (KServe's): what is sent, what is refused, and what is waited for."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from models.base import ModelError
from models.remote.open_inference import OpenInference
from schemas import InputError, SensorReading, TextMessage, Unavailable
from streams.model_calls import ModelCalls
from streams.predicting import predict_each
from tests.integration.model_server import ModelServer, model_server
from tests.integration.pipelines import Pipeline
from tests.integration.workers import running_worker
from tests.penstock_command import run_penstock
from tests.unreliable_proxy import unreliable_proxy
from tests.waiting import wait_until

__all__ = ["model_server"]

SCHEMES = ["http", "grpc"]


def port_of(server: ModelServer, scheme: str) -> int:
    return server.http_port if scheme == "http" else server.grpc_port


@contextmanager
def loaded(scheme: str, port: int, model: str, **options: Any) -> Iterator[OpenInference]:
    made = OpenInference(f"{scheme}://127.0.0.1:{port}", model, **options)
    try:
        made.load()
        made.warm_up()
        yield made
    finally:
        made.close()


def patient(model: OpenInference, batch: Sequence[Any]) -> Sequence[Any]:
    """Call as a worker does."""
    return ModelCalls("score").run(model.predict_batch, batch)


def reading(a: float, b: float) -> SensorReading:
    return SensorReading(values={"b": b, "other": 5.0, "a": a})


@pytest.mark.parametrize("scheme", SCHEMES)
def test_numbers(model_server: ModelServer, scheme: str) -> None:
    batch = [reading(n + 0.5, -n - 0.5) for n in range(200)]
    with loaded(
        scheme, port_of(model_server, scheme), "linear", features=["a", "b"], max_batch_size=64
    ) as model:
        answers: list[Any] = model.predict_batch(batch)
        assert [a["total"] for a in answers] == [-27 * (n + 0.5) for n in range(200)]
        assert answers[4] == {
            "model": "linear", "model_version": answers[4]["model_version"],
            "y": [-40.5, -81.0], "total": -121.5,
        }  # fmt: skip
        alone: list[Any] = [model.predict_batch([event])[0] for event in batch[:8]]
        assert alone == answers[:8]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_one_bad_event_is_found(model_server: ModelServer, scheme: str) -> None:
    events = [reading(n, 1) for n in range(10, 20)]
    events.append(SensorReading(values={"a": 1.0}))
    with loaded(scheme, port_of(model_server, scheme), "linear", features=["a", "b"]) as model:
        answers = predict_each(partial(patient, model), events)
    refused = [isinstance(answer, InputError) for answer in answers]
    assert [n for n, is_bad in enumerate(refused) if is_bad] == [3, 10]
    if scheme == "http":  # over gRPC this server gives no reason
        assert "13 brings bad luck" in str(answers[3])
    assert answers[3].reason == "model_error"
    assert answers[10].reason == "invalid_input"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts(model_server: ModelServer, scheme: str) -> None:
    texts = ["", "grüße", "多", "a" * 1000, '"quotes" \\ \x00']
    batch = [TextMessage(text=text) for text in texts]
    with loaded(scheme, port_of(model_server, scheme), "lengths") as model:
        answers: list[Any] = model.predict_batch(batch)
    assert [a["length"] for a in answers] == [len(text) for text in texts]
    assert [a["loud"] for a in answers] == [text.upper() for text in texts]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_model_for_one_row_gets_one_at_a_time(model_server: ModelServer, scheme: str) -> None:
    with loaded(scheme, port_of(model_server, scheme), "single", features=["a", "b"]) as model:
        answers: list[Any] = model.predict_batch([reading(1, 0), reading(2, 0)])
    assert [a["total"] for a in answers] == [3, 6]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("linear", {"features": ["a"]}, r"input x is FP32 \[-1, 2\]: expected .* \(B, 1\)"),
        ("linear", {}, "input x is FP32 .*: expected BYTES .*; for numbers, name `features`"),
        ("linear", {"features": ["a", "b"], "output": "z"}, "no output z: it has y, total"),
        ("linear", {"features": ["a", "b"], "input": "z"}, "has the inputs x: expected 'z' alone"),
        ("summary", {"features": ["a", "b"]}, "fails on a batch of 2: .*expected 2 rows"),
    ],
)
def test_a_model_that_does_not_fit_is_an_error_at_the_start(
    model_server: ModelServer, scheme: str, model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        with loaded(scheme, port_of(model_server, scheme), model, **options):
            pass


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_that_is_away_is_waited_for(model_server: ModelServer, scheme: str) -> None:
    options = {"features": ["a", "b"], "timeout_seconds": 0.5}
    with (
        unreliable_proxy(port_of(model_server, scheme)) as proxy,
        loaded(scheme, proxy.port, "linear", **options) as model,
    ):
        ask = partial(model.predict_batch, [reading(1, 0)])
        for mode in ("reset", "hold", "503"):
            proxy.mode = mode
            with pytest.raises(Unavailable):
                ask()
            proxy.mode = "pass"
            assert _patiently(ask)[0]["total"] == 3
    with pytest.raises(Unavailable):
        model.load()  # nobody listens there any more


def _patiently(ask: Any) -> Any:
    """Ask for some seconds: a gRPC channel connects again after a pause."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_model_that_is_not_there_may_come(model_server: ModelServer, scheme: str) -> None:
    absent = OpenInference(f"{scheme}://127.0.0.1:{port_of(model_server, scheme)}", "absent")
    with pytest.raises((Unavailable, RuntimeError), match=r"absent|404"):
        absent.load()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_records_wait_in_kafka_while_the_server_is_away(
    tmp_path: Path, embedded_bootstrap: str, model_server: ModelServer, scheme: str
) -> None:
    pipeline = Pipeline(tmp_path, embedded_bootstrap)
    with unreliable_proxy(port_of(model_server, scheme)) as proxy:
        topic, output = f"{pipeline.name}.readings", f"{pipeline.name}.scores"
        options = {"url": f"{scheme}://127.0.0.1:{proxy.port}", "model": "linear",
                   "features": ["a", "b"], "timeout_seconds": 1.0}  # fmt: skip
        agent = {"input": topic, "output": output, "event": "SensorReading", "concurrency": 3,
                 "model": {"name": "open_inference", "options": options},
                 "batch": {"max_batch_size": 16}}  # fmt: skip
        settings = {"agents": {"score": agent}, "metrics": {"port": 0},
                    "topics": {"default": {"partitions": 2}},
                    "kafka": {**pipeline.kafka, "group.id": pipeline.name}}  # fmt: skip
        config = tmp_path / "scores.yaml"
        config.write_text(yaml.safe_dump(settings))
        assert run_penstock("topics", "create", "-c", str(config)).returncode == 0
        producer = Producer(pipeline.kafka)

        def send(start: int, stop: int) -> None:
            for n in range(start, stop):
                value = {"source_id": f"s{n % 4}", "values": {"a": n, "b": 0}}
                producer.produce(topic, json.dumps(value), f"s{n % 4}")
            assert producer.flush(30) == 0

        proxy.mode = "reset"  # it is away when the worker starts
        with running_worker(config, log_folder=tmp_path) as worker:
            wait_until("it waits", lambda: "waiting for it" in worker.log_text(), 60)
            proxy.mode = "pass"
            worker.await_ready()
            send(100, 400)
            worker.await_finished(300)
            for number, mode in enumerate(("reset", "hold", "503")):
                proxy.mode = mode
                start = 400 + 300 * number
                send(start, start + 300)
                wait_until(
                    f"/ready says so ({mode})", lambda: "127.0.0.1" in str(worker.probe("/ready"))
                )
                assert worker.probe("/live")[0] == 200
                proxy.mode = "pass"
                worker.await_finished(600 + 300 * number)
            assert worker.accounts()["dead_lettered"] == 0
            proxy.mode = "reset"
            send(1300, 1310)
            wait_until("it waits", lambda: "127.0.0.1" in str(worker.probe("/ready")))
            worker.process.send_signal(signal.SIGTERM)
            assert worker.process.wait(20) == 0  # it does not wait for the server
        with running_worker(config, log_folder=tmp_path) as worker:
            proxy.mode = "pass"
            worker.await_finished(10)
            worker.stop()
    answers = [json.loads(m.value() or b"") for m in pipeline.read(output)]
    by_source: dict[str, list[float]] = {}
    for answer in answers:
        assert answer["model"] == "linear"
        assert answer["total"] == answer["y"][0] * 3
        by_source.setdefault(answer["source_id"], []).append(answer["y"][0])
    assert sorted(n for numbers in by_source.values() for n in numbers) == list(range(100, 1310))
    assert all(numbers == sorted(numbers) for numbers in by_source.values())
