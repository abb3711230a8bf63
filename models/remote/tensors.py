"""Tensors of the Open Inference Protocol: names, data types, shapes, values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Data types of the protocol. BYTES are texts or binary values of any length.
DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
#: Elements of one tensor that is read: a broken or hostile server can't fill the memory.
MAX_ELEMENTS = 64_000_000


class BadResponseError(RuntimeError):
    """The server's answer does not follow the protocol, or is not for the request."""


@dataclass(frozen=True)
class TensorInfo:
    """What a model's server says of an input or output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1: any size."""


@dataclass(frozen=True)
class ModelInfo:
    """What a server says of a model."""

    name: str
    platform: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True)
class Tensor:
    """One named array of a request or an answer."""

    name: str
    datatype: str
    values: Array
    """Of the data type's dtype; for BYTES of dtype object, each element bytes or str."""


@dataclass(frozen=True)
class InferAnswer:
    """The answer to one request."""

    model_name: str
    model_version: str
    """"" if the server does not say."""
    outputs: tuple[Tensor, ...]


def shaped(name: str, datatype: str, shape: Sequence[int], values: Any) -> Tensor:
    """Return a tensor from the flat or nested values of an answer.

    Raises:
        BadResponseError: an unknown data type, or another number of values than the shape says.
    """
    if datatype not in DTYPES:
        raise BadResponseError(f"output {name} has the unknown data type {datatype!r}")
    size = math.prod(shape)
    if any(length < 0 for length in shape) or size > MAX_ELEMENTS:
        raise BadResponseError(f"output {name} has the shape {list(shape)}: over the limit")
    try:
        array = np.asarray(values, dtype=DTYPES[datatype]).reshape(-1)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadResponseError(f"output {name} is not {datatype}: {error}") from error
    if array.size != size:
        raise BadResponseError(
            f"output {name} has {array.size} values: expected {size} for shape {list(shape)}"
        )
    return Tensor(name, datatype, array.reshape(tuple(shape)))


def pack_bytes(values: Array) -> bytes:
    """Return BYTES elements as one value: each with its length before it, 4 bytes, low first."""
    parts = []
    for value in values.reshape(-1):
        element = value.encode() if isinstance(value, str) else bytes(value)
        parts += [len(element).to_bytes(4, "little"), element]
    return b"".join(parts)


def unpack_bytes(packed: bytes) -> list[bytes]:
    """Return the elements that `pack_bytes` joined.

    Raises:
        BadResponseError: the lengths do not fit.
    """
    elements, at = [], 0
    while at < len(packed):
        stop = at + 4 + int.from_bytes(packed[at : at + 4], "little")
        if at + 4 > len(packed) or stop > len(packed):
            raise BadResponseError("an output of BYTES ends within an element")
        elements.append(packed[at + 4 : stop])
        at = stop
    return elements
