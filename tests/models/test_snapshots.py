"""Snapshots round-trip, and damaged or other ones are refused."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import ModelError
from models.snapshots import pack, unpack

ARRAYS = {"f": np.array([[1.5, -2.0]]), "n": np.arange(3), "u": np.array([7], np.uint16)}
STATE = pack("m", 2, {"k": 3, "names": ["a"]}, {"keys": ["x", "y"]}, ARRAYS)


def test_round_trip() -> None:
    saved = unpack(STATE, "m", 2, {"k": 3, "names": ["a"]})
    assert saved.list_of("keys") == ["x", "y"]
    for name, array in ARRAYS.items():
        actual = saved.array(name, array, *array.shape)
        assert np.array_equal(actual, array)
        assert actual.dtype == array.dtype
        assert actual.flags.writeable


@pytest.mark.parametrize(
    ("kind", "version", "k", "words"),
    [("other", 2, 3, "expected other"), ("m", 3, 3, "version 3"), ("m", 2, 4, "same options")],
)
def test_another_model_version_or_option_is_refused(
    kind: str, version: int, k: int, words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        unpack(STATE, kind, version, {"k": k, "names": ["a"]})


def test_arrays_of_another_type_shape_or_name_are_refused() -> None:
    saved = unpack(STATE, "m", 2, {"k": 3, "names": ["a"]})
    for name, like, shape in (
        ("f", np.zeros(0), (2, 1)),
        ("f", np.zeros(0, np.float32), (1, 2)),
        ("absent", np.zeros(0), (1, 2)),
    ):
        with pytest.raises(ModelError, match=name):
            saved.array(name, like, *shape)
    with pytest.raises(ModelError, match="no list"):
        saved.list_of("absent")


def test_nan_is_refused_where_it_is_not_expected() -> None:
    saved = unpack(pack("m", 1, {}, {}, {"x": np.array([np.nan])}), "m", 1, {})
    assert np.isnan(saved.array("x", np.array([np.nan]), 1)).all()
    with pytest.raises(ModelError, match="NaN"):
        saved.array("x", np.zeros(0), 1)


def test_other_messagepack_with_a_valid_checksum_is_refused() -> None:
    for body in (b"\xc1", msgspec.msgpack.encode([1]), b"\x91" * 5000):
        sealed = b"PSM1" + zlib.crc32(body).to_bytes(4, "little") + body
        with pytest.raises(ModelError, match="can't be read"):
            unpack(sealed, "m", 2, {})


@given(st.integers(0, len(STATE) - 1), st.integers(1, 255))
def test_any_changed_byte_is_detected(place: int, change: int) -> None:
    bad = bytearray(STATE)
    bad[place] ^= change
    with pytest.raises(ModelError, match="damaged"):
        unpack(bytes(bad), "m", 2, {"k": 3, "names": ["a"]})
