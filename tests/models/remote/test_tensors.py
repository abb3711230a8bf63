from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.remote.tensors import BadResponseError, pack_bytes, shaped, unpack_bytes


def test_flat_values_take_the_shape() -> None:
    tensor = shaped("y", "FP32", [2, 2], [1, 2, 3, 4.5])
    assert tensor.values.dtype == np.float32
    assert tensor.values.tolist() == [[1, 2], [3, 4.5]]


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "message"),
    [
        ("COMPLEX", [1], [1], "unknown data type 'COMPLEX'"),
        ("FP32", [3], [1, 2], "has 2 values: expected 3"),
        ("FP32", [-1], [1], r"shape \[-1\]: over the limit"),
        ("FP32", [10**6, 10**6], [], "over the limit"),
        ("FP32", [1], ["x"], "is not FP32"),
        ("INT8", [1], [[1], [2]], "has 2 values: expected 1"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    datatype: str, shape: list[int], values: Any, message: str
) -> None:
    with pytest.raises(BadResponseError, match=message):
        shaped("y", datatype, shape, values)


def test_bytes_are_packed_with_their_lengths() -> None:
    packed = pack_bytes(np.array([["a", b"\x00\xff"], ["", "ü"]], dtype=object))
    assert packed == b"\x01\0\0\0a\x02\0\0\0\x00\xff\0\0\0\0\x02\0\0\0\xc3\xbc"
    assert unpack_bytes(packed) == [b"a", b"\x00\xff", b"", b"\xc3\xbc"]


@pytest.mark.parametrize("packed", [b"\x01", b"\x02\0\0\0a", b"\0\0\0\0\xff\xff\xff\xff"])
def test_packed_bytes_that_end_early_are_refused(packed: bytes) -> None:
    with pytest.raises(BadResponseError, match="ends within an element"):
        unpack_bytes(packed)
