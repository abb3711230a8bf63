"""`penstock produce` and `penstock tail` run from the command line, on the embedded broker."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.commands.broker import embedded_broker
from streams.kafka.admin import create_topics
from streams.kafka.reader import TopicReader
from streams.settings import TopicSettings
from tests.penstock_command import run_penstock, start_penstock


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    with embedded_broker() as broker:
        yield broker.bootstrap_servers


def write_csv(folder: Path, rows: int) -> Path:
    path = folder / "pump.csv"
    lines = [f"{1_700_000_000 + n},s{n % 3},{n}" for n in range(rows)]
    path.write_text("\n".join(["timestamp,who,bar", *lines, ""]))
    return path


def test_a_file_is_produced_and_tailed(servers: str, tmp_path: Path) -> None:
    path = str(write_csv(tmp_path, 30))
    at = ["--bootstrap-servers", servers]
    done = run_penstock(
        "produce", "sensor", path, "--topic", "cli", "--key-column", "who", *at, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    summary = json.loads(done.stdout)
    assert (summary["topic"], summary["num_delivered"], summary["num_failed"]) == ("cli", 30, 0)

    seen = run_penstock("tail", "cli", "--from-beginning", "--limit", "30", "--json", *at)
    assert seen.returncode == 0, seen.stderr
    records = [json.loads(line) for line in seen.stdout.splitlines()]
    assert sorted(r["value"]["values"]["bar"] for r in records) == list(range(30))
    assert {r["key"] for r in records} == {"s0", "s1", "s2"}

    text = run_penstock("tail", "cli", "--from-beginning", "--limit", "1", *at)
    assert '"values":{"bar":' in text.stdout


def test_demo_sources_can_be_produced(servers: str) -> None:
    at = ["--bootstrap-servers", servers]
    done = run_penstock("produce", "text", "demo:phrases", "--limit", "5", *at)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 events to text.messages in ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["produce", "sensor", "none.csv"], "none.csv: no such file"),
        (["produce", "sensor", "demo:none"], "expected one of demo:water-flow"),
        (["produce", "sensor", "pump.csv", "--codec", "image"], "image codec reads VideoFrame"),
        (["produce", "sensor", "pump.csv", "--value-columns", "x"], "no column 'x'"),
        (["tail", "no.such.topic"], "no topic 'no.such.topic'"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(
    servers: str, tmp_path: Path, arguments: list[str], message: str
) -> None:
    write_csv(tmp_path, 1)
    done = run_penstock(*arguments, "--bootstrap-servers", servers, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message in done.stderr


def test_events_before_a_bad_row_are_delivered(servers: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path, 150)
    path.write_text(path.read_text() + "1700000999,s1,high\n")
    at = ["--bootstrap-servers", servers]
    done = run_penstock("produce", "sensor", str(path), "--topic", "broken", *at)
    assert done.returncode == 2
    assert "line 152, column 'bar': 'high' is not a number (the 150 events before" in done.stderr
    with TopicReader({"bootstrap.servers": servers}) as reader:
        assert len(list(reader.read_all("broken", 4))) == 150


def test_a_missing_broker_is_an_error_of_one_line(tmp_path: Path) -> None:
    path = str(write_csv(tmp_path, 1))
    done = run_penstock("produce", "sensor", path, "--bootstrap-servers", "127.0.0.1:1")
    assert done.returncode == 2
    assert "can't reach Kafka at 127.0.0.1:1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [["produce", "sensor", "demo:water-flow"], ["tail", "t"]])
def test_without_a_broker_address_the_error_says_how_to_give_one(
    tmp_path: Path, command: list[str]
) -> None:
    done = run_penstock(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert "no broker is named: give --bootstrap-servers HOST:PORT" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_run_after_delivery(servers: str, number: signal.Signals) -> None:
    topic = f"endless-{number.name}"
    options = ["--rate", "50", "--topic", topic, "--bootstrap-servers", servers, "--json"]
    run = start_penstock("produce", "sensor", "demo:water-flow", *options)
    wait_for_records(servers, topic)
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 0, err
    summary = json.loads(out)
    assert summary["num_sent"] == summary["num_delivered"] > 0


def wait_for_records(servers: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(4)])
    deadline = time.monotonic() + 20
    while consumer.poll(0.2) is None:
        assert time.monotonic() < deadline
    consumer.close()


@pytest.mark.kafka
def test_on_apache_kafka_a_missing_topic_is_refused_and_not_created(kafka_bootstrap: str) -> None:
    at = ["--bootstrap-servers", kafka_bootstrap]
    arguments = ["produce", "text", "demo:phrases", "--limit", "5", "--topic", "produce-test", *at]
    for _ in range(2):
        refused = run_penstock(*arguments)
        assert refused.returncode == 2
        assert "no topic 'produce-test'" in refused.stderr
        assert "penstock topics create" in refused.stderr
    create_topics({"bootstrap.servers": kafka_bootstrap}, {"produce-test": TopicSettings()})
    assert run_penstock(*arguments).returncode == 0
    seen = run_penstock("tail", "produce-test", "--from-beginning", "--limit", "5", *at)
    assert seen.returncode == 0, seen.stderr
    assert len(seen.stdout.splitlines()) == 5


def test_a_topic_of_other_peoples_values_gets_no_events(tmp_path: Path) -> None:
    config = tmp_path / "penstock.yaml"
    config.write_text("agents: {score_anomalies: {fields: {values: {from: data}}}}")
    path = str(write_csv(tmp_path, 3))
    done = run_penstock("produce", "sensor", path, "-c", str(config))
    assert done.returncode == 2
    assert "agent score_anomalies reads other people's values from sensor.readings" in done.stderr
