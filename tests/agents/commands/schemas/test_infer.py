"""`penstock schemas infer` writes a pipeline file that reads the topic it looked at."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from agents.commands.main import app
from agents.commands.schemas.infer import inferred_pipeline
from agents.errors import UserError
from agents.pipeline.file import load_pipeline
from schemas import VideoFrame
from streams.kafka.admin import create_topics
from streams.kafka.reader import KafkaRecord
from streams.settings import TopicSettings

ISO = "2026-11-28T05:26:18.454+01:00"
TOPICS: dict[str, list[Any]] = {
    "nested": [{"deviceId": f"p{i}", "ts": ISO, "data": {"t": i, "on": True}} for i in range(5)],
    "flat": [{"sensor": "a", "time": 1_795_839_978 + i, "a b": i, "c": 2.5} for i in range(5)],
    "gateway": [{"gateway_id": "g", "rows": [{"at": 1_795_839_978, "t": i}]} for i in range(5)],
    "connect": [{"schema": None, "payload": {"id": i, "amount": 5.5}} for i in range(5)],
    "orders": [{"user": f"u{i}", "action": "buy", "eur": 2.5} for i in range(5)],
    "tickets": [{"ticket": i, "body": "where is my order with the number 4711?"} for i in range(5)],
}


def records(values: list[Any], *, key: bytes | None = b"k", headers: Any = ()) -> list[KafkaRecord]:
    encoded = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
    return [KafkaRecord("t", 0, i, 1, key, v, list(headers)) for i, v in enumerate(encoded)]


@pytest.mark.parametrize("name", TOPICS)
def test_what_is_inferred_reads_the_topic(
    name: str, tmp_path: Path, embedded_bootstrap: str
) -> None:
    topic = f"{name}-{uuid.uuid4().hex[:8]}"
    env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": embedded_bootstrap}
    create_topics({"bootstrap.servers": embedded_bootstrap}, {topic: TopicSettings()})
    producer = Producer({"bootstrap.servers": embedded_bootstrap})
    for value in TOPICS[name]:
        producer.produce(topic, json.dumps(value), "k")
    assert producer.flush(20) == 0
    words = ["schemas", "infer", topic, "--bootstrap-servers", embedded_bootstrap]
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0, printed.output
    path = tmp_path / "penstock.yaml"
    path.write_text(printed.stdout)
    checked = CliRunner().invoke(
        app, ["check", "-c", str(path), "--sample", "9", "--json"], env=env
    )
    assert checked.exit_code == 0, checked.output + printed.stdout
    (sample,) = json.loads(checked.stdout)["samples"]
    assert [record["outcome"] for record in sample["records"]] == ["events"] * 5


def test_guesses_are_marked() -> None:
    text = inferred_pipeline("t", records(TOPICS["nested"]))
    marked = [line for line in text.splitlines() if "# guess: " in line]
    assert [line.split(":")[0].strip() for line in marked] == [
        "score_anomalies", "source_id", "event_time", "values"
    ]  # fmt: skip


def test_messagepack_and_binary_keys(tmp_path: Path) -> None:
    values = [msgspec.msgpack.encode(value) for value in TOPICS["flat"]]
    path = tmp_path / "penstock.yaml"
    path.write_text(inferred_pipeline("t", records(values, key=b"\0\0\0\x07")))
    agent = load_pipeline(path, {}).agents["score_anomalies"]
    assert (agent.codec, agent.key_format) == ("msgpack", "integer")
    path.write_text(inferred_pipeline("t", records(values, key=b"\xff\0\0\x07")))
    assert load_pipeline(path, {}).agents["score_anomalies"].key_format == "hex"


def test_pictures(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    frames = records([VideoFrame.example().image], headers=[("camera", b"c1")])
    path.write_text(inferred_pipeline("t", frames))
    assert "# headers: camera" in path.read_text()
    assert load_pipeline(path, {}).agents["detect_objects"].codec == "image"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "no records with a value"),
        ([b"\0\0\0\0\x07abc"], "framed by a schema registry: name it"),
        ([b"[1]"], "no codec reads|no objects"),
    ],
)
def test_what_can_not_be_read_is_named(values: list[bytes], words: str) -> None:
    with pytest.raises(UserError, match=words):
        inferred_pipeline("t", records(values))
