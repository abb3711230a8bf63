"""Any format of a registry is read; JSON and MessagePack are not taken for framed values."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from agents.commands.audit.comparing import decoded, is_close
from agents.commands.framed_values import AnyFramedValues, as_json_bytes, is_framed
from schemas import AnomalyScore, DecodeError, Origin
from schemas.errors import UnknownSchemaError
from schemas.registry.codecs import CONTENT_TYPES
from schemas.registry.framing import SchemaKey
from schemas.registry.output import FramedResults, result_schema
from schemas.registry.registered import RegisteredSchema, UnusableSchemaError

CODECS = {1: "avro", 2: "protobuf", 3: "json_schema"}


class Schemas:
    """Stands in for a registry's client."""

    def __init__(self) -> None:
        self.asked: list[SchemaKey] = []

    def schema(self, key: SchemaKey) -> RegisteredSchema | None:
        self.asked.append(key)
        if key == 9:
            raise UnusableSchemaError("it has more than 1,000,000 bytes")
        assert isinstance(key, int)
        return result_schema(CODECS[key], AnomalyScore) if key in CODECS else None


def result(codec: str, score: float = 0.5) -> bytes:
    written = FramedResults(codec)
    written.learn(AnomalyScore, next(k for k, name in CODECS.items() if name == codec))
    return written.encode(
        AnomalyScore(score=score, is_anomaly=True, threshold=0.25, origin=Origin("t", 0, 1))
    )


def test_each_format_is_read_and_each_schema_fetched_once() -> None:
    client: Any = Schemas()
    framed = AnyFramedValues(client)
    for codec in [*CODECS.values(), *CODECS.values()]:
        value = result(codec)
        assert framed.codec_of(value, ()) == codec
        assert framed.read(value, ())["score"] == 0.5
        assert json.loads(as_json_bytes(framed.read(value, ())))["origin"]["offset"] == 1
    assert client.asked == [1, 2, 3]


def test_what_cannot_be_read_says_why() -> None:
    client: Any = Schemas()
    framed = AnyFramedValues(client)
    with pytest.raises(UnknownSchemaError, match="no schema with id 7"):
        framed.read(b"\0\0\0\0\7abc", ())
    with pytest.raises(DecodeError, match="more than 1,000,000 bytes"):
        framed.read(b"\0\0\0\0\x09abc", ())
    with pytest.raises(DecodeError, match="not framed"):
        framed.read(b"{}", ())
    with pytest.raises(DecodeError, match="not Avro"):
        framed.read(result("avro")[:-3], ())


def test_what_is_framed() -> None:
    assert is_framed(b"\0\0\0\0\7abc", ())
    assert is_framed(b"abc", [("__value_schema_id", b"\0\0\0\0\7")])
    for value in (None, b"", b"{}", b"[1]", b"text", msgspec.msgpack.encode({"a": 1}), b"\xff\xd8"):
        assert not is_framed(value, ())


@pytest.mark.parametrize("codec", CODECS.values())
def test_repeated_results_are_compared_with_a_tolerance(codec: str) -> None:
    client: Any = Schemas()
    framed = AnyFramedValues(client)
    headers = [("content-type", CONTENT_TYPES[codec].encode())]
    first, near, far = (
        decoded(result(codec, score), headers, framed) for score in (0.5, 0.5 + 1e-9, 0.6)
    )
    assert is_close(near, first, 1e-6)
    assert not is_close(far, first, 1e-6)
