"""What Confluent's own serializers write is read, and they read what Penstock writes."""

from __future__ import annotations

import json
import subprocess
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.environments import UnavailableError, python_of
from schemas import AnomalyScore, IntentScore, NluResult, Origin
from schemas.registry.codecs import make_framed
from schemas.registry.framed import FramedValues
from schemas.registry.output import FramedResults, result_schema
from schemas.registry.protoc import compile_descriptors
from schemas.registry.registered import RegisteredSchema
from streams.registry.client import RegistryClient
from streams.registry.supply import fetch
from streams.settings import RegistrySettings

FOLDER = Path(__file__).parent / "confluent_serializers"
NOW = datetime(2026, 11, 28, 4, 26, 18, 454000, tzinfo=UTC)
DATA = {"pressure": 2.5, "pump": 1.0}
#: Codec -> what judge.py writes with it.
READINGS: dict[str, Any] = {
    "avro": {"device": "p7", "at": NOW, "data": DATA},
    "json_schema": {"device": "p7", "at": 1_795_839_978_454, "data": DATA},
    "protobuf": {"device": "p7", "at": NOW, "pressure": 2.5},
}

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="session")
def judge() -> Path:
    """The Python of an environment with Confluent's serializers."""
    try:
        return python_of(FOLDER / "requirements.lock")
    except UnavailableError as error:
        pytest.skip(str(error))


def run(python: Path, *arguments: str) -> Any:
    command = [str(python), "-W", "ignore", str(FOLDER / "judge.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("codec", READINGS)
def test_what_confluents_serializers_write_is_read(
    judge: Path, registry_url: str, codec: str
) -> None:
    written = run(judge, "write", registry_url, codec, f"judged-{uuid.uuid4().hex}")
    value = bytes.fromhex(written["value"])
    values = make_framed(codec, is_checking_json=True)
    with RegistryClient(RegistrySettings(url=registry_url)) as client:
        fetch(client, values, values.missing([value], [()]))
    assert values.read(value, ()) == READINGS[codec]


@pytest.mark.parametrize("codec", READINGS)
def test_the_header_form_is_read(judge: Path, codec: str) -> None:
    # Apicurio gives schemas no GUIDs, which this form is written with: Confluent's own stand-in
    # for a registry does.
    written = run(judge, "write", "mock://", codec, "judged", "header")
    value = bytes.fromhex(written["value"])
    headers = [(name, bytes.fromhex(content)) for name, content in written["headers"]]
    values: FramedValues = make_framed(codec)
    (key,) = values.missing([value], [headers])
    assert isinstance(key, uuid.UUID)
    values.learn(key, RegisteredSchema(values.kind, written["schema"]))
    assert values.read(value, headers) == READINGS[codec]


@pytest.mark.parametrize("codec", ["avro", "json_schema"])
def test_confluents_deserializers_read_results(judge: Path, registry_url: str, codec: str) -> None:
    topic = f"judged-{uuid.uuid4().hex}"
    results = FramedResults(codec)
    with RegistryClient(RegistrySettings(url=registry_url)) as client:
        schema = result_schema(codec, AnomalyScore)
        results.learn(AnomalyScore, client.register(f"{topic}-value", schema))
    result = AnomalyScore(
        score=0.5, is_anomaly=True, threshold=0.25, source_id="p7", origin=Origin("t", 1, 2)
    )
    read = run(judge, "read", registry_url, codec, topic, results.encode(result).hex())
    assert read["origin"] == {"topic": "t", "partition": 1, "offset": 2}
    assert (read["source_id"], read["score"], read["is_anomaly"]) == ("p7", 0.5, True)
    assert read["expected"] is None


def test_confluents_protobuf_deserializer_reads_results(judge: Path, registry_url: str) -> None:
    topic = f"judged-{uuid.uuid4().hex}"
    results = FramedResults("protobuf")
    with RegistryClient(RegistrySettings(url=registry_url)) as client:
        schema_id = client.register(f"{topic}-value", result_schema("protobuf", NluResult))
        results.learn(NluResult, schema_id)
        registered = client.schema(schema_id)
    assert registered is not None
    descriptors = compile_descriptors(registered).SerializeToString().hex()
    result = NluResult(
        intent="refund", score=0.5, source_id="p7", origin=Origin("t", 1, 2**40),
        alternatives=[IntentScore("other", 0.25)], embedding=[0.5, -0.5],
    )  # fmt: skip
    value = results.encode(result).hex()
    read = run(judge, "read", registry_url, "protobuf", topic, value, descriptors,
               "penstock.NluResult")  # fmt: skip
    assert read["value"] == {
        "schema_version": "1", "source_id": "p7", "intent": "refund", "score": 0.5,
        "origin": {"topic": "t", "partition": "1", "offset": str(2**40)},
        "alternatives": [{"intent": "other", "score": 0.25}],
        "embedding": {"values": [0.5, -0.5]},
    }  # fmt: skip
    assert read["written"][10:] == value[10:]  # after the id: message index and message
