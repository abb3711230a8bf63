"""`penstock check --sample` on real topics of an embedded broker."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from typer.testing import CliRunner

from agents.commands.main import app
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings

MAPPED = """\
agents:
  score_anomalies:
    input: {topic}
    output: {topic}.out
    fields:
      source_id: deviceId
      event_time: {{path: ts, format: unix_ms}}
      values: {{from: data, exclude: [never]}}
    where: data.on != false
"""
NOW_MS = time.time_ns() // 1_000_000


def good(**data: Any) -> dict[str, Any]:
    return {"deviceId": "p7", "ts": NOW_MS, "data": {"tempC": 21.5, **data}}


class Topic:
    """A topic with records, and a pipeline file that reads it."""

    def __init__(self, folder: Path, servers: str, values: list[Any], text: str = MAPPED) -> None:
        self.name = f"sampled-{uuid.uuid4().hex[:8]}"
        names = [self.name, f"{self.name}.out", f"{self.name}.dlq"]
        create_topics({"bootstrap.servers": servers}, dict.fromkeys(names, TopicSettings()))
        producer = Producer({"bootstrap.servers": servers})
        for i, value in enumerate(values):
            encoded = value if isinstance(value, bytes) else json.dumps(value)
            producer.produce(self.name, encoded, f"k{i}")
        assert producer.flush(20) == 0
        self.path = folder / "penstock.yaml"
        self.path.write_text(text.format(topic=self.name))
        self._env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": servers}

    def check(self, *words: str) -> Any:
        return CliRunner().invoke(app, ["check", "-c", str(self.path), *words], env=self._env)


def test_each_record_is_shown_as_what_it_becomes(tmp_path: Path, embedded_bootstrap: str) -> None:
    values: list[Any] = [good(), good(on=True), good(on=False), good(rpm="fast"), b"{"]
    values.append({**good(), "ts": NOW_MS // 1000})
    found = Topic(tmp_path, embedded_bootstrap, values).check("--sample", "100", "--json")
    assert found.exit_code == 0, found.output
    ((sample,)) = json.loads(found.stdout)["samples"]
    outcomes = sorted((r["outcome"], r["reason"]) for r in sample["records"])
    assert outcomes == [
        ("dead_letter", "decode_error"), ("dead_letter", "schema_error"), ("events", ""),
        ("events", ""), ("events", ""), ("filtered", "where"),
    ]  # fmt: skip
    (refused,) = (r for r in sample["records"] if r["reason"] == "schema_error")
    assert refused["message"].startswith("data.rpm: expected a number, found the text 'fast'")
    (odd,) = (r for r in sample["records"] if r["implausible"])
    assert "looks like seconds" in odd["implausible"]
    event = next(r for r in sample["records"] if '"on": true' in r["raw"])["events"][0]
    assert event["values"] == {"tempC": 21.5, "on": 1.0}


def test_the_text_shows_values_beside_events(tmp_path: Path, embedded_bootstrap: str) -> None:
    found = Topic(tmp_path, embedded_bootstrap, [good(), b"{"]).check("--sample", "10")
    assert found.exit_code == 0, found.output
    assert "2 records: 1 with events, 0 filtered, 1 dead letters" in found.stdout
    line = next(line for line in found.stdout.splitlines() if line.count("\t") == 2 and "{" in line)
    assert '"deviceId": "p7"' in line.split("\t")[1]
    assert '"source_id": "p7"' in line.split("\t")[2]
    assert "1 x dead letter (decode_error): not JSON" in found.stdout


def test_messages_that_differ_in_values_are_one_line(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    values = [good(tempC=f"hot {i}") for i in range(5)] + [good()]
    values += [{**good(), "deviceId": {f"name{chr(97 + i)}": 1}} for i in range(25)]
    found = Topic(tmp_path, embedded_bootstrap, values).check("--sample", "100")
    assert found.exit_code == 0, found.output
    assert "  5 x dead letter (schema_error): data.tempC: expected a number" in found.stdout
    assert "  and 6 other messages (6 records): see --json" in found.stdout


def test_a_value_can_not_send_control_sequences_to_the_terminal(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    bad = {**good(), "deviceId": {"\x1b]0;name\x07": 1}}
    values = [b'{"\x1b[2J', bad, {**good(), "deviceId": "\x9b31m"}]
    found = Topic(tmp_path, embedded_bootstrap, values).check("--sample", "10")
    assert "\\x1b[2J" in found.stdout
    assert all(c.isprintable() or c in "\n\t" for c in found.stdout), repr(found.stdout)


def test_what_matches_nothing_is_an_error_with_line_and_key(
    tmp_path: Path, embedded_bootstrap: str
) -> None:
    text = MAPPED.replace("deviceId", "device").replace(
        "exclude: [never]", "include: [nope*], rename: {{tempF: f}}"
    )
    topic = Topic(tmp_path, embedded_bootstrap, [good(), good()], text)
    found = topic.check("--sample", "10")
    assert found.exit_code == 2
    lines = [line for line in found.stderr.splitlines() if "penstock.yaml" in line]
    place = "penstock: error: " + str(topic.path)
    assert lines[0] == (
        f"{place}:6:7: agents.score_anomalies.fields.source_id: device is null or absent in each "
        "of the 2 sampled records"
    )
    assert "fields.values.include[0]: 'nope*' matches no name of data" in lines[1]
    assert f"{place}:8:" in lines[1]
    assert "fields.values.rename.tempF: data has no 'tempF'" in lines[2]
    assert "fields: each of the 2 sampled records" in lines[3]


def test_readings_of_lists_are_looked_at(tmp_path: Path, embedded_bootstrap: str) -> None:
    text = MAPPED.replace("source_id: deviceId", "each: readings").replace(
        "where: data.on != false", ""
    )
    values = [{"readings": [{"ts": NOW_MS, "data": {"a": i}} for i in range(3)]}]
    found = Topic(tmp_path, embedded_bootstrap, values, text).check("--sample", "10")
    assert found.exit_code == 0, found.output
    assert " and 2 more" in found.stdout
    empty = Topic(tmp_path, embedded_bootstrap, [{"readings": []}], text).check("--sample", "10")
    assert empty.exit_code == 2
    assert "fields.each: readings has no readings in each of the 1 sampled records" in empty.stderr


def test_an_agent_without_a_mapping_is_sampled_too(tmp_path: Path, embedded_bootstrap: str) -> None:
    text = "agents: {{score_anomalies: {{input: {topic}, output: {topic}.out}}}}\n"
    values = [{"values": {"a": 1}}, {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}]
    found = Topic(tmp_path, embedded_bootstrap, values, text).check("--sample", "10")
    assert found.exit_code == 0, found.output
    assert "set `envelope: cloudevents`" in found.stdout
    framed = Topic(tmp_path, embedded_bootstrap, [b"\0\0\0\0\x07abc"], text)
    refused = framed.check("--sample", "10")
    assert refused.exit_code == 2
    assert "agents.score_anomalies.input: each of the 1 sampled records" in refused.stderr
    assert "schema registry (magic byte 0, schema id 7)" in refused.stderr


def test_the_newest_records_are_read(tmp_path: Path, embedded_bootstrap: str) -> None:
    values = [good(number=i) for i in range(50)]
    found = Topic(tmp_path, embedded_bootstrap, values).check("--sample", "8", "--json")
    (sample,) = json.loads(found.stdout)["samples"]
    numbers = [json.loads(r["raw"])["data"]["number"] for r in sample["records"]]
    assert len(numbers) == 8
    assert sum(numbers) > 8 * 25
