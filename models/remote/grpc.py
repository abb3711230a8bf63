"""The Open Inference Protocol over gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from models.remote.tensors import (
    DTYPES,
    BadResponseError,
    InferAnswer,
    ModelInfo,
    Tensor,
    TensorInfo,
    pack_bytes,
    shaped,
    unpack_bytes,
)
from schemas.errors import Unavailable
from schemas.registry.protoc import FILE, compile_descriptors
from schemas.registry.registered import RegisteredSchema

_PROTO = Path(__file__).with_suffix("").parent / "open_inference.proto"
_SERVICE = "/inference.GRPCInferenceService/"
_MAX_BYTES = 256 * 1024 * 1024
#: Codes that are about the server or the login, never about the events of a request.
_AWAY = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNAUTHENTICATED",
         "PERMISSION_DENIED", "NOT_FOUND", "ABORTED", "CANCELLED")  # fmt: skip
#: gRPC uses RESOURCE_EXHAUSTED for a message over the limit too; halves of the batch may fit.
_TOO_LARGE = "larger than max"
_CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents",
    "INT32": "int_contents", "INT64": "int64_contents", "UINT8": "uint_contents",
    "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip


class GrpcClient:
    """One model of one server. It connects with the first request; one thread at a time."""

    def __init__(
        self,
        target: str,
        model: str,
        version: str,
        *,
        timeout_seconds: float,
        headers: Mapping[str, str],
        root_certificates: bytes | None,
    ) -> None:
        """Keep the settings.

        Args:
            target: host:port.
            model: its name there.
            version: "" for the server's choice.
            timeout_seconds: for an answer; also sent with each request, as its deadline.
            headers: sent with each request, such as a login.
            root_certificates: PEM, to check the server by; None: no TLS.
        """
        import grpc

        self._grpc = grpc
        self._target, self._model, self._version = target, model, version
        self._timeout = timeout_seconds
        self._metadata = [(name.lower(), value) for name, value in headers.items()]
        options = [
            ("grpc.max_receive_message_length", _MAX_BYTES),
            ("grpc.max_send_message_length", _MAX_BYTES),
            ("grpc.enable_http_proxy", 0),
            # A server that comes back is used again within a second.
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        if root_certificates is None:
            self._channel = grpc.insecure_channel(target, options)
        else:
            login = grpc.ssl_channel_credentials(root_certificates or None)
            self._channel = grpc.secure_channel(target, login, options)
        self._messages = _messages()

    def model_info(self) -> ModelInfo:
        """As `RestClient.model_info`."""
        request = self._messages["ModelMetadataRequest"](name=self._model, version=self._version)
        found = self._call("ModelMetadata", request, "ModelMetadataResponse")
        return ModelInfo(found.name, found.platform, _infos(found.inputs), _infos(found.outputs))

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str]) -> InferAnswer:
        """As `RestClient.infer`."""
        request = self._messages["ModelInferRequest"](
            model_name=self._model, model_version=self._version
        )
        for tensor in inputs:
            request.inputs.add(
                name=tensor.name, datatype=tensor.datatype, shape=tensor.values.shape
            )
            request.raw_input_contents.append(_packed(tensor))
        for name in outputs:
            request.outputs.add(name=name)
        found = self._call("ModelInfer", request, "ModelInferResponse")
        return InferAnswer(found.model_name, found.model_version, _outputs(found))

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _call(self, method: str, request: Any, kind: str) -> Any:
        call = self._channel.unary_unary(
            _SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=self._messages[kind].FromString,
        )
        try:
            return call(request, timeout=self._timeout, metadata=self._metadata)
        except self._grpc.RpcError as error:
            raise self._error(error) from error

    def _error(self, error: Any) -> Exception:
        code, details = error.code().name, str(error.details() or "")[:300]
        words = f"grpc://{self._target} answers {code}" + (f": {details}" if details else "")
        is_away = code in _AWAY and _TOO_LARGE not in details
        return Unavailable(words) if is_away else RuntimeError(words)


@lru_cache(maxsize=1)
def _messages() -> dict[str, Any]:
    """Return the protocol's message classes, compiled from its .proto."""
    from google.protobuf import descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    for file in compile_descriptors(RegisteredSchema("PROTOBUF", _PROTO.read_text(), ())).file:
        pool.Add(file)
    types = pool.FindFileByName(FILE).message_types_by_name
    return {name: message_factory.GetMessageClass(found) for name, found in types.items()}


def _infos(tensors: Sequence[Any]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(t.name, t.datatype, tuple(t.shape)) for t in tensors)


def _packed(tensor: Tensor) -> bytes:
    if tensor.datatype == "BYTES":
        return pack_bytes(tensor.values)
    # The protocol's numbers have the low byte first.
    dtype = np.dtype(DTYPES[tensor.datatype]).newbyteorder("<")
    return np.ascontiguousarray(tensor.values, dtype).tobytes()


def _outputs(found: Any) -> tuple[Tensor, ...]:
    """Return the outputs of an answer, whose values are packed in order or in `contents`."""
    if found.raw_output_contents and len(found.raw_output_contents) != len(found.outputs):
        raise BadResponseError("the answer has not one packed value for each output")
    packed = list(found.raw_output_contents) or [None] * len(found.outputs)
    return tuple(_output(o, raw) for o, raw in zip(found.outputs, packed, strict=True))


def _output(output: Any, raw: bytes | None) -> Tensor:
    values: Any
    if raw is None:
        field = _CONTENTS.get(output.datatype)
        values = list(getattr(output.contents, field)) if field else []
    elif output.datatype == "BYTES":
        values = unpack_bytes(raw)
    else:
        values = _numbers(output, raw)
    return shaped(output.name, output.datatype, tuple(output.shape), values)


def _numbers(output: Any, raw: bytes) -> Any:
    if output.datatype not in DTYPES:
        raise BadResponseError(f"output {output.name} has an unknown type {output.datatype!r}")
    dtype = np.dtype(DTYPES[output.datatype]).newbyteorder("<")
    if len(raw) % dtype.itemsize:
        raise BadResponseError(f"output {output.name} ends within a number")
    return np.frombuffer(raw, dtype)
