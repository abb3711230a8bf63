from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import RESULT_TYPES, AnomalyScore, Origin, Result
from schemas.registry.output import FramedResults, result_origin, result_schema
from schemas.registry.protobuf import ProtobufValues
from schemas.registry.protobuf_output import protobuf_text
from schemas.registry.registered import UnusableSchemaError

ORIGIN = Origin("t", 1, 2**40)


class Part(msgspec.Struct):
    x: int
    parts: list[Part] = msgspec.field(default_factory=list)


class Wide(Result, kw_only=True):
    grid: list[list[float]] = msgspec.field(default_factory=list)
    cubes: list[list[list[int]]] = msgspec.field(default_factory=list)
    lists_by_name: dict[str, list[Part]] = msgspec.field(default_factory=dict)
    parts_by_name: dict[str, Part] = msgspec.field(default_factory=dict)
    maybe: dict[str, float] | None = None
    mixed: int | float = 0
    part: Part | None = None
    limit: float = 0.5
    raw: bytes = b""


def round_trip(result: Any) -> Any:
    written = FramedResults("protobuf")
    written.learn(type(result), 258)
    value = written.encode(result)
    assert value[:6] == b"\0\0\0\1\2\0"
    assert result_origin("protobuf", value) == result.origin
    read = ProtobufValues()
    read.learn(258, result_schema("protobuf", type(result)))
    return read.read(value, ())


def test_round_trip() -> None:
    score = AnomalyScore(score=0.5, is_anomaly=True, threshold=0.25, source_id="p7", origin=ORIGIN)
    assert msgspec.convert(round_trip(score), AnomalyScore) == score


def test_lists_within_lists_and_maps_are_messages() -> None:
    wide = Wide(
        origin=ORIGIN, grid=[[1.0, 2.0], []], cubes=[[[1], [2, 3]]], maybe={}, mixed=2,
        lists_by_name={"a": [Part(1, [Part(2)])]}, parts_by_name={"q": Part(5)}, raw=b"\xff",
    )  # fmt: skip
    plain = round_trip(wide)
    assert plain["grid"] == [{"values": [1.0, 2.0]}, {"values": []}]
    assert plain["cubes"] == [{"values": [{"values": [1]}, {"values": [2, 3]}]}]
    assert plain["lists_by_name"] == {"a": {"values": [{"x": 1, "parts": [{"x": 2, "parts": []}]}]}}
    assert plain["parts_by_name"] == {"q": {"x": 5, "parts": []}}
    assert plain["maybe"] == {"values": {}}  # empty, not null
    assert (plain["mixed"], plain["raw"], plain["limit"]) == (2.0, b"\xff", 0.5)
    assert "part" not in plain
    assert "maybe" not in round_trip(Wide(origin=ORIGIN))


def test_a_new_last_field_of_a_base_class_moves_no_other_number() -> None:
    class Old(Result, kw_only=True):
        a: int

    class Below(Old, kw_only=True):
        b: int

    text = protobuf_text(Below)
    assert "int64 schema_version = 1;" in text
    assert "  int64 a = 101;" in text
    assert "  int64 b = 201;" in text


@pytest.mark.parametrize("result_type", RESULT_TYPES.values())
def test_the_origin_has_the_same_number_in_all_results(result_type: type[Result]) -> None:
    assert "  Origin origin = 5;" in protobuf_text(result_type)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (list[int | None], "a null within a list"),
        (int | str, "a union of several types"),
        (tuple[int, str], "a tuple of several types"),
        (dict[int, str], "a map whose keys are not text"),
    ],
)
def test_what_protobuf_lacks_is_refused_with_the_field(kind: Any, what: str) -> None:
    odd = msgspec.defstruct("Odd", [("odd", kind)], bases=(Result,), kw_only=True)
    with pytest.raises(UnusableSchemaError, match=rf"Odd\.odd: {what}"):
        protobuf_text(odd)


def test_a_name_that_protobuf_lacks_is_refused() -> None:
    odd = msgspec.defstruct("Odd", [("a", int)], bases=(Result,), kw_only=True, rename={"a": "a-b"})
    with pytest.raises(UnusableSchemaError, match=r"Odd\.a: 'a-b' is no name in Protobuf"):
        protobuf_text(odd)


def test_two_types_of_one_name_are_refused() -> None:
    inner = msgspec.defstruct("Part", [("y", int)])
    odd = msgspec.defstruct("Odd", [("a", Part), ("b", inner)], bases=(Result,), kw_only=True)
    for codec in ("avro", "protobuf"):
        with pytest.raises(UnusableSchemaError, match="two types have the name Part"):
            result_schema(codec, odd)


@given(st.binary(max_size=60))
def test_any_bytes_have_an_origin_or_are_refused(value: bytes) -> None:
    try:
        origin = result_origin("protobuf", value)
    except ValueError:
        return
    assert isinstance(origin, Origin)
