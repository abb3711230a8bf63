"""A model that another server runs: KServe, Triton, MLServer, OpenVINO, TorchServe and others."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from models.base import Model, ModelError
from models.number_rows import NumberRows, json_rows
from models.options import check_option
from models.remote.event_tensors import EventTensors
from models.remote.tensors import BadResponseError, InferAnswer, ModelInfo, Tensor, TensorInfo
from schemas import Event, InputError

Row = dict[str, Any]
_SCHEMES = ("http", "https", "grpc", "grpcs")


class Client(Protocol):
    """One model of one server."""

    def model_info(self) -> ModelInfo:
        """Ask for the model's inputs and outputs."""
        ...

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> InferAnswer:
        """Have the model answer."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class OpenInference(Model[Event, Row]):
    """Sends each batch to a server that speaks the Open Inference Protocol, version 2.

    Sent are numbers (`features`: of `SensorReading.values` or `BehaviorEvent.features`), or the
    `text` or stored `image` of the events if the model's input is BYTES. The answer of an event is
    a plain dict with the outputs' values, and `model` and `model_version` as the server says them.

    While the server is away or busy (no connection, no answer in time, 429, 502, 503, 504, a
    refused login, a model that is not there), the batch waits: `schemas.Unavailable`. What the
    server refuses otherwise is the fault of an event of the batch. Each copy of the model
    (`concurrency`) has one request under way.

    Source: github.com/kserve/open-inference-protocol.
    """

    name = "open_inference"
    version = "remote"
    event_type = Event

    def __init__(
        self,
        url: str,
        model: str,
        model_version: str = "",
        features: list[str] | None = None,
        input: str | None = None,
        output: str | list[str] | None = None,
        timeout_seconds: float = 10.0,
        max_batch_size: int = 1024,
        headers: Mapping[str, str] | None = None,
        ca_file: str | None = None,
    ) -> None:
        """Check the options; nothing is connected yet.

        Args:
            url: http://, https://, grpc:// or grpcs:// with host, port, and for HTTP a path.
            model: the model's name on the server.
            model_version: of the model there; "": the server's choice.
            features: names of the F numbers of each event, in the order of the model's columns;
                None: the event's text or picture is sent.
            input: name of the model's input; None: its only one.
            output: name or names of the outputs to return; None: all.
            timeout_seconds: for an answer, 0.01 to 600; the server is told.
            max_batch_size: the most events in one request, >= 1; larger batches are sent in parts.
            headers: sent with each request, for example {authorization: "Bearer ${TOKEN}"}.
            ca_file: PEM file to check the server's certificate by; None: the system's.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"url is {url!r}: expected {'://..., '.join(_SCHEMES)}://host:port")
        if parts.username or parts.password:
            raise ValueError("url has a login in it: give it as a header, with ${...} for secrets")
        if not model:
            raise ValueError("model is empty: expected the model's name on the server")
        self._url, self._parts = url, parts
        self._model, self._model_version = model, model_version
        self._rows = None if features is None else NumberRows(features)
        self._input_name = input
        self._output_names = [output] if isinstance(output, str) else output
        self._timeout = float(check_option("timeout_seconds", timeout_seconds, 0.01, 600))
        self._max_batch_size = check_option("max_batch_size", max_batch_size, 1)
        self._headers = dict(headers or {})
        self._ca_file = None if ca_file is None else Path(ca_file).expanduser()
        self._client: Client | None = None

    def load(self, device: str = "cpu") -> None:
        """Ask the server for the model, and check its inputs and outputs.

        Raises:
            Unavailable: the server is away, or does not have the model now.
            ModelError: the model can't take these events.
        """
        self.close()
        self._client = self._connect()
        try:
            self._check(self._client.model_info())
        except (ModelError, BadResponseError) as error:
            self.close()
            raise ModelError(f"{self._url}: model {self._model}: {error}") from error
        except BaseException:
            self.close()
            raise

    def _check(self, info: ModelInfo) -> None:
        is_grpc = self._parts.scheme.startswith("grpc")
        self._events = EventTensors(self._find_input(info), self._rows, takes_binary=is_grpc)
        self._outputs = self._find_outputs(info)
        self._most_rows = min(self._max_batch_size, self._events.most_rows or self._max_batch_size)

    def warm_up(self) -> None:
        """Send a request with one event and one with two, if the model takes two.

        Raises:
            Unavailable: the server is away.
            ModelError: the outputs do not have a row for each event.
        """
        for num_rows in range(1, min(2, self._most_rows) + 1):
            try:
                self._ask([self._events.example()] * num_rows)
            except (ModelError, RuntimeError) as error:
                raise ModelError(
                    f"{self._url}: model {self._model} fails on a batch of {num_rows}: {error}"
                ) from error

    def predict_batch(self, batch: Sequence[Event]) -> list[Row | InputError]:
        """Have the server answer B events; one that can't be sent becomes an `InputError`.

        Raises:
            Unavailable: the server is away or busy.
            RuntimeError: the server refuses the request, or its answer is not for it.
        """
        elements = [self._events.element(event) for event in batch]
        good = [element for element in elements if not isinstance(element, InputError)]
        rows: list[Row] = []
        for start in range(0, len(good), self._most_rows):
            rows += self._ask(good[start : start + self._most_rows])
        answers = iter(rows)
        return [e if isinstance(e, InputError) else next(answers) for e in elements]

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _ask(self, elements: Sequence[Any]) -> list[Row]:
        if self._client is None:
            raise ModelError(f"model {self.name} is not loaded: call load(device) first")
        answer = self._client.infer([self._events.tensor(elements)], self._outputs)
        found = {tensor.name: tensor for tensor in answer.outputs}
        absent = [name for name in self._outputs if name not in found]
        if absent:
            raise BadResponseError(f"{self._url} answers without the output {', '.join(absent)}")
        columns = [_column(found[name], len(elements)) for name in self._outputs]
        served = {"model": answer.model_name or self._model}
        served["model_version"] = answer.model_version or self._model_version or self.version
        return [
            {**served, **dict(zip(self._outputs, row, strict=True))}
            for row in zip(*columns, strict=True)
        ]

    def _connect(self) -> Client:
        more: dict[str, Any] = {"timeout_seconds": self._timeout, "headers": self._headers}
        certificates = self._read_certificates()
        if self._parts.scheme.startswith("grpc"):
            from models.remote.grpc import GrpcClient

            has_tls = self._parts.scheme == "grpcs"
            target = f"{self._parts.hostname}:{self._parts.port or (443 if has_tls else 8001)}"
            roots = (certificates or b"") if has_tls else None
            return GrpcClient(
                target, self._model, self._model_version, root_certificates=roots, **more
            )
        from models.remote.rest import RestClient

        tls = None
        if certificates is not None:
            tls = ssl.create_default_context(cadata=certificates.decode())
        return RestClient(self._url, self._model, self._model_version, tls=tls, **more)

    def _read_certificates(self) -> bytes | None:
        if self._ca_file is None:
            return None
        try:
            return self._ca_file.read_bytes()
        except OSError as error:
            raise ModelError(f"ca_file {self._ca_file} can't be read: {error.strerror}") from error

    def _find_input(self, info: ModelInfo) -> TensorInfo:
        inputs = {tensor.name: tensor for tensor in info.inputs}
        name = self._input_name or next(iter(inputs), "")
        if name not in inputs or len(inputs) > 1:
            raise ModelError(
                f"it has the inputs {', '.join(inputs) or 'none'}: expected "
                f"{'one' if self._input_name is None else repr(name)} alone"
            )
        return inputs[name]

    def _find_outputs(self, info: ModelInfo) -> list[str]:
        known = [tensor.name for tensor in info.outputs]
        wanted = known if self._output_names is None else self._output_names
        absent = [name for name in wanted if name not in known]
        if absent or not wanted:
            raise ModelError(f"it has no output {', '.join(absent)}: it has {', '.join(known)}")
        reserved = [name for name in wanted if name in ("model", "model_version")]
        if reserved:
            raise ModelError(f"its output {reserved[0]} has the name of a result's own field")
        return wanted


def _column(tensor: Tensor, num_rows: int) -> list[Any]:
    """Return one JSON value for each row of an output."""
    if tensor.values.ndim == 0 or len(tensor.values) != num_rows:
        raise BadResponseError(
            f"output {tensor.name} has the shape {list(tensor.values.shape)}: expected "
            f"{num_rows} rows"
        )
    rows = json_rows(tensor.name, tensor.values, num_rows)
    return [_as_text(row) for row in rows] if tensor.datatype == "BYTES" else rows


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise BadResponseError(f"an output of BYTES is no text: {error}") from error
