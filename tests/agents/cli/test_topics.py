from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from agents.brokers import embedded_broker
from agents.cli import app

FILE = str(Path(__file__).parents[3] / "examples" / "rides" / "penstock.yaml")


def run(command: str, servers: str, *arguments: str) -> str:
    env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": servers}
    found = CliRunner().invoke(app, ["topics", command, "-c", FILE, *arguments], env=env)
    assert found.exit_code == 0, found.output
    return found.stdout


def test_plan_create_plan() -> None:
    with embedded_broker() as broker:
        servers = broker.bootstrap_servers
        rows = [line.split("\t") for line in run("plan", servers).splitlines()]
        assert rows[0] == ["topic", "role", "agents", "partitions", "state"]
        assert [(row[0], row[1], row[4]) for row in rows[1:]] == [
            ("bike.rides", "input", "absent"),
            ("bike.speeds", "output", "absent"),
            ("bike.rides.dlq", "dead letters", "absent"),
        ]
        made = json.loads(run("create", servers, "--json"))
        assert made["created"] == ["bike.rides", "bike.speeds", "bike.rides.dlq"]
        assert {topic["partitions"] for topic in made["topics"]} == {4}
        assert json.loads(run("create", servers, "--json"))["created"] == []
        assert run("plan", servers).count("exists") == 3


def test_no_broker_is_one_line() -> None:
    env = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    arguments = ["topics", "plan", "-c", FILE, "--timeout", "1"]
    found = CliRunner().invoke(app, arguments, env=env)
    assert found.exit_code == 2
    assert found.stderr.startswith("penstock: error: can't reach Kafka at 127.0.0.1:1: ")
