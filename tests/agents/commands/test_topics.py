from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.broker import embedded_broker
from agents.commands.main import app

FILE = str(Path(__file__).parents[3] / "examples" / "rides" / "penstock.yaml")


def run(servers: str, *arguments: str, config: str = FILE) -> str:
    env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": servers}
    found = CliRunner().invoke(app, [*arguments, "-c", config], env=env)
    assert found.exit_code == 0, found.output
    return found.stdout


def test_plan_create_plan_on_the_embedded_broker() -> None:
    with embedded_broker() as broker:
        servers = broker.bootstrap_servers
        rows = [line.split("\t") for line in run(servers, "topics", "plan").splitlines()]
        assert rows[0] == ["topic", "role", "agents", "partitions", "state"]
        assert [(row[0], row[1], row[4]) for row in rows[1:]] == [
            ("bike.rides", "input", "missing"),
            ("bike.speeds", "output", "missing"),
            ("bike.rides.dlq", "dead letters", "missing"),
        ]
        made = json.loads(run(servers, "topics", "create", "--json"))
        assert made["created"] == ["bike.rides", "bike.speeds", "bike.rides.dlq"]
        assert {topic["partitions"] for topic in made["topics"]} == {4}
        assert json.loads(run(servers, "topics", "create", "--json"))["created"] == []
        assert run(servers, "topics", "plan").count("exists") == 3


@pytest.mark.kafka
def test_topics_are_created_as_the_file_says(kafka_bootstrap: str, tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(
        "agents:\n"
        "  a: {input: topics-test.in, output: topics-test.out, model: robust_zscore}\n"
        "topics:\n"
        "  default: {partitions: 2, config: {retention.ms: 60000}}\n"
        "  topics-test.in: {partitions: 3}\n"
    )
    env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": kafka_bootstrap}
    missing = CliRunner().invoke(app, ["check", "-c", str(path)], env=env)
    assert missing.exit_code == 2
    assert missing.stderr == (
        "penstock: error: no topic topics-test.in, topics-test.out, topics-test.in.dlq, "
        "penstock.a.state: "
        "create missing topics with `penstock topics create`\n"
    )
    made = json.loads(run(kafka_bootstrap, "topics", "create", "--json", config=str(path)))
    assert {t["topic"]: t["partitions"] for t in made["topics"]} == {
        "topics-test.in": 3,
        "topics-test.out": 2,
        "topics-test.in.dlq": 2,
        "penstock.a.state": 3,
    }
    assert made["notes"] == [
        "topics-test.out has 2 partitions and topics-test.in has 3: a result goes to its input's "
        "partition modulo 2"
    ]
    assert CliRunner().invoke(app, ["check", "-c", str(path)], env=env).exit_code == 0


def test_a_missing_broker_is_an_error_of_one_line() -> None:
    env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    arguments = ["topics", "plan", "-c", FILE, "--timeout", "1"]
    found = CliRunner().invoke(app, arguments, env=env)
    assert found.exit_code == 2
    assert found.stderr.startswith("penstock: error: can't reach Kafka at 127.0.0.1:1: ")
