"""The Open Inference Protocol over HTTP with JSON."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from models.remote.away import status_error
from models.remote.tensors import (
    BadResponseError,
    InferAnswer,
    ModelInfo,
    Tensor,
    TensorInfo,
    shaped,
)
from schemas.errors import Unavailable

#: Of an answer.
_MAX_BYTES = 256 * 1024 * 1024


class _TensorJson(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    data: list[Any] = []


class _MetadataJson(msgspec.Struct):
    name: str = ""
    platform: str | None = ""
    inputs: list[_TensorJson] = []
    outputs: list[_TensorJson] = []


class _AnswerJson(msgspec.Struct):
    outputs: list[_TensorJson]
    model_name: str = ""
    model_version: str | None = ""


class RestClient:
    """One model of one server. It connects with the first request; one thread at a time."""

    def __init__(
        self,
        url: str,
        model: str,
        version: str,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
    ) -> None:
        """Keep the settings.

        Args:
            url: http://host:port or https://host:port, with a path if the server has one.
            model: its name there.
            version: "" for the server's choice.
            timeout_seconds: for an answer; also sent with each request.
            headers: sent with each request, such as a login.
            tls: how to check an https server; None: by the system's certificates.
        """
        import httpx

        # It logs each request at the level INFO.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._httpx = httpx
        self._url = url.rstrip("/")
        self._path = f"/v2/models/{quote(model, safe='')}"
        if version:
            self._path += f"/versions/{quote(version, safe='')}"
        self._timeout = timeout_seconds
        # No redirects: the login is for this address alone.
        self._client = httpx.Client(
            headers=dict(headers),
            timeout=timeout_seconds,
            verify=tls if tls is not None else True,
            follow_redirects=False,
            trust_env=False,
        )

    def model_info(self) -> ModelInfo:
        """Ask for the model's inputs and outputs.

        Raises:
            Unavailable: the server is away, or does not have the model now.
            BadResponseError: what answers does not speak the protocol.
        """
        found = self._decode(self._ask("GET", self._path, None), _MetadataJson)
        return ModelInfo(
            found.name, found.platform or "", _infos(found.inputs), _infos(found.outputs)
        )

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> InferAnswer:
        """Have the model answer.

        Raises:
            Unavailable: the server is away or busy.
            RuntimeError: it refuses this request.
            BadResponseError: the answer does not follow the protocol.
        """
        content = msgspec.json.encode(
            {
                "inputs": [_to_json(tensor) for tensor in inputs],
                "outputs": [{"name": name} for name in outputs],
                # Microseconds: after this nobody waits for the answer any more.
                "parameters": {"timeout": round(self._timeout * 1e6)},
            }
        )
        answer = self._decode(self._ask("POST", f"{self._path}/infer", content), _AnswerJson)
        tensors = tuple(shaped(o.name, o.datatype, o.shape, _flat(o.data)) for o in answer.outputs)
        return InferAnswer(answer.model_name, answer.model_version or "", tensors)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, method: str, path: str, content: bytes | None) -> bytes:
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            try:
                answer, body = self._send(method, path, content, headers)
            except self._httpx.RemoteProtocolError:
                # The server closed a connection that was kept: a new one may do.
                answer, body = self._send(method, path, content, headers)
        except self._httpx.TimeoutException as error:
            raise Unavailable(f"{self._url} has not answered within {self._timeout:g} s") from error
        except self._httpx.TransportError as error:
            raise Unavailable(f"{self._url} can't be reached: {error}") from error
        if answer.is_success:
            if "json" not in answer.headers.get("Content-Type", ""):
                # A login page or a proxy's greeting: nothing that an event could be the cause of.
                kind = answer.headers.get("Content-Type", "no content type")
                raise Unavailable(f"{self._url} answers with {kind}: expected JSON")
            return body
        retry_after = answer.headers.get("Retry-After")
        raise status_error(self._url, answer.status_code, _message(body), retry_after)

    def _send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[Any, bytes]:
        """Return an answer's status and headers, and its content."""
        parts, size = [], 0
        with self._client.stream(
            method, self._url + path, content=content, headers=headers
        ) as answer:
            for part in answer.iter_bytes():
                size += len(part)
                if size > _MAX_BYTES:
                    raise BadResponseError(
                        f"{self._url} answers with more than {_MAX_BYTES:,} bytes"
                    )
                parts.append(part)
        return answer, b"".join(parts)

    def _decode(self, body: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise BadResponseError(
                f"{self._url} does not speak the Open Inference Protocol: {error}"
            ) from error


def _infos(tensors: Sequence[_TensorJson]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(t.name, t.datatype, tuple(t.shape)) for t in tensors)


def _to_json(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.values.shape),
        "data": tensor.values.reshape(-1).tolist(),
    }


def _flat(data: list[Any]) -> list[Any]:
    """Return the values of an answer, which may be nested by the shape, in one list."""
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise BadResponseError("the data of an output is nested in some places only")
        data = [value for part in data for value in part]
    return data


def _message(body: bytes) -> str:
    """Return the text of an error answer: {"error": "..."} by the protocol."""
    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return ""
    return str(content.get("error", "")) if isinstance(content, dict) else ""
