from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import RESULT_TYPES, AnomalyScore, Origin, Result
from schemas.registry.output import FramedResults, result_origin, result_schema, subject_of
from schemas.registry.registered import UnusableSchemaError

SCORE = AnomalyScore(
    score=0.5, is_anomaly=True, threshold=0.25, source_id="p7", origin=Origin("t", 1, 2**40)
)


@pytest.mark.parametrize("result_type", RESULT_TYPES.values())
@pytest.mark.parametrize("codec", ["avro", "protobuf", "json_schema"])
def test_every_result_type_has_a_schema(codec: str, result_type: type[Result]) -> None:
    text = result_schema(codec, result_type).text
    if codec == "protobuf":
        assert f"message {result_type.__name__} {{" in text
        return
    schema = json.loads(text)
    if codec == "avro":
        fastavro.parse_schema(schema)
        names = [field["name"] for field in schema["fields"]]
        assert names == [field.encode_name for field in msgspec.structs.fields(result_type)]
    else:
        assert schema["title"] == result_type.__name__


def test_avro_round_trip() -> None:
    results = FramedResults("avro")
    results.learn(AnomalyScore, 258)
    value = results.encode(SCORE)
    assert value[:5] == b"\0\0\0\1\2"
    schema = fastavro.parse_schema(json.loads(result_schema("avro", AnomalyScore).text))
    plain = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
    assert msgspec.convert(plain, AnomalyScore) == SCORE
    assert result_origin("avro", value) == SCORE.origin


def test_json_round_trip() -> None:
    results = FramedResults("json_schema")
    results.learn(AnomalyScore, 7)
    value = results.encode(SCORE)
    assert value[:5] == b"\0\0\0\0\7"
    assert msgspec.json.decode(value[5:], type=AnomalyScore) == SCORE


def test_a_result_of_another_type_is_an_error() -> None:
    results = FramedResults("avro")
    results.learn(AnomalyScore, 7)
    with pytest.raises(TypeError, match=r"codec avro writes AnomalyScore, .* not dict"):
        results.encode({"score": 1})


@given(st.binary(max_size=60))
def test_any_bytes_have_an_origin_or_are_refused(value: bytes) -> None:
    try:
        origin = result_origin("avro", value)
    except ValueError:
        return
    assert isinstance(origin, Origin)


def test_a_type_without_a_schema_names_its_field() -> None:
    class Odd(Result, kw_only=True):
        anything: Any = None

    for codec, name in (("avro", "Avro"), ("protobuf", "Protobuf")):
        with pytest.raises(UnusableSchemaError, match=rf"Odd\.anything: Any has no {name} type"):
            result_schema(codec, Odd)


class _Keyed(Result, kw_only=True):
    counts: dict[int, float] = msgspec.field(default_factory=dict)


def test_a_map_without_text_keys_has_no_schema() -> None:
    for codec in ("avro", "protobuf"):
        with pytest.raises(UnusableSchemaError, match=r"_Keyed\.counts: a map whose keys are not"):
            result_schema(codec, _Keyed)


def test_subjects() -> None:
    assert subject_of("topic", "t", AnomalyScore) == "t-value"
    assert subject_of("record", "t", AnomalyScore) == "penstock.AnomalyScore"
    assert subject_of("topic_record", "t", AnomalyScore) == "t-penstock.AnomalyScore"
