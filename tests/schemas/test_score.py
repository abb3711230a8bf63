"""Scores with contributions: old records are still read, and old readers read new records."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest

from schemas import AnomalyScore, Result
from schemas.registry.output import FramedResults, result_schema
from schemas.registry.protobuf_output import protobuf_text


class OldScore(Result, kw_only=True):
    """`AnomalyScore` before it had contributions."""

    score: float
    is_anomaly: bool
    threshold: float
    channel: str = ""
    expected: float | None = None
    is_scored: bool = True
    probability: float | None = None
    incident: str = ""


NEW = AnomalyScore(
    score=0.5,
    is_anomaly=True,
    threshold=0.25,
    source_id="p7",
    channel="flow",
    contributions={"flow": 0.75, "bar": 0.25},
)
OLD = OldScore(score=0.5, is_anomaly=True, threshold=0.25, source_id="p7", channel="flow")


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_old_and_new_records_are_read_by_new_and_old_types(codec: Any) -> None:
    assert codec.decode(codec.encode(NEW), type=OldScore) == OLD
    read = codec.decode(codec.encode(OLD), type=AnomalyScore)
    assert read.contributions == {}
    assert codec.decode(codec.encode(NEW), type=AnomalyScore) == NEW


def test_the_default_is_not_shared() -> None:
    first, second = (AnomalyScore(score=0, is_anomaly=False, threshold=1) for _ in range(2))
    first.contributions["a"] = 1.0
    assert second.contributions == {}


def test_avro_reads_old_records_with_the_new_schema_and_the_other_way() -> None:
    new, old = (json.loads(result_schema("avro", t).text) for t in (AnomalyScore, OldScore))
    old["name"] = new["name"]
    for written, read, value in ((old, new, OLD), (new, old, NEW)):
        raw = BytesIO()
        fastavro.schemaless_writer(raw, fastavro.parse_schema(written), msgspec.to_builtins(value))
        raw.seek(0)
        plain = fastavro.schemaless_reader(
            raw, fastavro.parse_schema(written), fastavro.parse_schema(read)
        )
        expected: dict[str, Any] = {"contributions": {}, "members": {}} if read is new else {}
        fields = {field["name"] for field in read["fields"]}
        kept = {k: v for k, v in msgspec.to_builtins(value).items() if k in fields}
        assert plain == kept | expected


def test_protobuf_only_adds_a_field() -> None:
    new = protobuf_text(AnomalyScore).replace("AnomalyScore", "OldScore").splitlines()
    old = protobuf_text(OldScore).splitlines()
    added = [line for line in new if line not in old]
    assert added == [
        "  map<string, double> contributions = 109;",
        "  map<string, double> members = 110;",
    ]
    assert [line for line in old if line not in new] == []


@pytest.mark.parametrize("codec", ["avro", "protobuf", "json_schema"])
def test_round_trip(codec: str) -> None:
    results = FramedResults(codec)
    results.learn(AnomalyScore, 258)
    value = results.encode(NEW)
    if codec == "avro":
        schema = fastavro.parse_schema(json.loads(result_schema("avro", AnomalyScore).text))
        plain: Any = fastavro.schemaless_reader(BytesIO(value[5:]), schema, None)
        assert msgspec.convert(plain, AnomalyScore) == NEW
    elif codec == "json_schema":
        assert msgspec.json.decode(value[5:], type=AnomalyScore) == NEW
    else:
        from schemas.registry.protobuf import ProtobufValues

        reader = ProtobufValues()
        reader.learn(258, result_schema("protobuf", AnomalyScore))
        assert msgspec.convert(reader.read(value, ()), AnomalyScore) == NEW
