"""What needs no real server; `tests/integration/test_open_inference.py` has one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.remote.open_inference import OpenInference
from models.remote.tensors import BadResponseError, InferAnswer, ModelInfo, Tensor, TensorInfo
from schemas import InputError, SensorReading, TextMessage, Unavailable, VideoFrame
from tests.models.remote.linear_server import linear_server


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "scores:8001"}, "expected http://..., https://..., grpc://..., grpcs://host:port"),
        ({"url": "http://me:pass123@scores"}, "has a login in it"),
        ({"url": "http://scores", "model": ""}, "expected the model's name"),
        ({"url": "http://scores", "features": ["a", "a"]}, "contains a name twice: a"),
        ({"url": "http://scores", "timeout_seconds": 0}, "timeout_seconds is 0"),
        ({"url": "http://scores", "max_batch_size": 0}, "max_batch_size is 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        OpenInference(**({"model": "m"} | options))
    assert "pass123" not in str(raised.value)


def test_a_missing_ca_file_is_an_error_and_no_reason_to_wait() -> None:
    model = OpenInference("https://127.0.0.1:1", "m", ca_file="/nowhere/ca.pem")
    with pytest.raises(ModelError, match=r"ca_file /nowhere/ca\.pem can't be read"):
        model.load()


@pytest.mark.parametrize("scheme", ["http", "https", "grpc", "grpcs"])
def test_nobody_there(scheme: str) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
        OpenInference(f"{scheme}://127.0.0.1:1", "m", timeout_seconds=2).load()


def test_the_servers_model_and_version_are_in_the_result() -> None:
    model = OpenInference(linear_server(), "linear", features=["a", "b"], output="total")
    model.load()
    model.warm_up()
    batch = [SensorReading(values={"a": 1.0, "b": 0.0}), SensorReading(values={"a": 1.0})]
    good, bad = model.predict_batch(batch)
    model.close()
    assert good == {"model": "linear", "model_version": "7", "total": 3}
    assert isinstance(bad, InputError)


def test_another_model_name_is_waited_for() -> None:
    with pytest.raises(Unavailable, match="answers 404: no such model"):
        OpenInference(linear_server(), "other").load()


class Stub:
    """A client whose server answers as it is told."""

    def __init__(self, **output: Any) -> None:
        self._output = output
        self.num_rows: list[int] = []

    def model_info(self) -> ModelInfo:
        return ModelInfo("m", "", (TensorInfo("x", "BYTES", (-1, 1)),),
                         (TensorInfo("y", "INT64", (-1,)),))  # fmt: skip

    def infer(self, inputs: Any, outputs: Any) -> InferAnswer:
        self.num_rows.append(len(inputs[0].values))
        made = {"name": "y", "datatype": "INT64", "values": np.zeros(len(inputs[0].values))}
        return InferAnswer("", "", (Tensor(**(made | self._output)),))

    def close(self) -> None: ...


def with_client(client: Stub, monkeypatch: pytest.MonkeyPatch, **options: Any) -> OpenInference:
    monkeypatch.setattr(OpenInference, "_connect", lambda self: client)
    model = OpenInference(**({"url": "http://scores", "model": "m"} | options))
    model.load()
    return model


def test_large_batches_are_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Stub()
    model = with_client(client, monkeypatch, max_batch_size=4)
    answers = model.predict_batch([TextMessage(text=str(n)) for n in range(10)])
    assert len(answers) == 10
    assert client.num_rows == [4, 4, 2]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"name": "z"}, "without the output y"),
        ({"values": np.zeros(3)}, r"has the shape \[3\]: expected 2 rows"),
        ({"values": np.array(1.0)}, r"has the shape \[\]"),
        ({"datatype": "BYTES", "values": np.array([b"\xff", b"a"], object)}, "is no text"),
    ],
)
def test_an_answer_that_is_not_for_the_request_is_an_error(
    monkeypatch: pytest.MonkeyPatch, output: dict[str, Any], message: str
) -> None:
    model = with_client(Stub(**output), monkeypatch)
    with pytest.raises(BadResponseError, match=message):
        model.predict_batch([TextMessage(text="a"), TextMessage(text="b")])


def test_pictures_need_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    (refused,) = with_client(Stub(), monkeypatch).predict_batch([VideoFrame.example()])
    assert "use the server's grpc:// address" in str(refused)
    over_grpc = with_client(Stub(), monkeypatch, url="grpc://scores:1")
    assert over_grpc.predict_batch([VideoFrame.example()])[0]["y"] == 0  # type: ignore[index]
