"""The doctor names what is wrong and how to mend it, and changes nothing."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer
from typer.testing import CliRunner

from agents.commands.main import app
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings


def examine(
    folder: Path, servers: str, *arguments: str, **agent: Any
) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the findings, by what was looked at."""
    name = f"doctor-{uuid.uuid4().hex[:8]}" if "input" not in agent else agent["input"]
    settings = {
        "kafka": {"bootstrap.servers": servers, "group.id": name},
        "agents": {"score": {"input": name, "output": f"{name}.out", "model": "robust_zscore",
                             **agent}},
    }  # fmt: skip
    path = folder / "penstock.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = ["doctor", "-c", str(path), "--json", "--timeout", "10", *arguments]
    done = CliRunner().invoke(app, command)
    report = json.loads(done.stdout)
    assert report["ok"] == (done.exit_code == 0)
    return done.exit_code, {f["what"]: f for f in report["findings"]}


def made(servers: str, **of_output: str) -> str:
    """Make the topics of a pipeline, and return the input's name."""
    name = f"doctor-{uuid.uuid4().hex[:8]}"
    four = TopicSettings(partitions=4)
    create_topics(
        {"bootstrap.servers": servers},
        {name: four, f"{name}.out": TopicSettings(partitions=4, config=of_output),
         f"{name}.dlq": four, f"{name}.score.state": four},
    )  # fmt: skip
    return name


def test_without_a_broker_the_machine_is_still_looked_at(tmp_path: Path) -> None:
    code, found = examine(tmp_path, "127.0.0.1:1", "--timeout", "1")
    assert code == 2
    assert found["python"]["state"] == found["packages"]["state"] == "ok"
    assert found["device of score"] == {
        "what": "device of score", "state": "ok", "found": "cpu", "mend": "",
    }  # fmt: skip
    assert found["broker"]["state"] == "problem"


def test_the_embedded_broker(tmp_path: Path, embedded_bootstrap: str) -> None:
    code, found = examine(tmp_path, embedded_bootstrap)
    assert code == 0
    assert found["broker"]["state"] == "ok"
    assert "makes topics on first use" in found["topics"]["found"]


@pytest.mark.kafka
def test_absent_topics(tmp_path: Path, kafka_bootstrap: str) -> None:
    code, found = examine(tmp_path, kafka_bootstrap)
    assert code == 2
    assert found["topics"]["state"] == "problem"
    assert found["topics"]["mend"].startswith("penstock topics create")


@pytest.mark.kafka
def test_all_is_well(tmp_path: Path, kafka_bootstrap: str) -> None:
    name = made(kafka_bootstrap)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    producer.produce(name, b'{"values": {}}')
    producer.flush(10)
    code, found = examine(tmp_path, kafka_bootstrap, "--workers", "2", input=name)
    assert code == 0
    states = {what: finding["state"] for what, finding in found.items()}
    assert set(states.values()) == {"ok"}, found
    assert found["partitions"]["found"] == f"{name} 4, for 2 processes"
    assert {"permissions", "record sizes", f"retention of {name}", "clock"} <= set(found)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("workers", "found"),
    [("5", "1 will have no work"), ("3", "some have more work than others")],
)
def test_workers_that_do_not_fit_the_partitions(
    tmp_path: Path, kafka_bootstrap: str, workers: str, found: str
) -> None:
    _, findings = examine(
        tmp_path, kafka_bootstrap, "--workers", workers, input=made(kafka_bootstrap)
    )
    assert findings["partitions"]["state"] == "warning"
    assert found in findings["partitions"]["found"]


@pytest.mark.kafka
def test_sizes_that_do_not_fit(tmp_path: Path, kafka_bootstrap: str) -> None:
    name = made(kafka_bootstrap, **{"max.message.bytes": "5000"})
    code, found = examine(tmp_path, kafka_bootstrap, input=name, max_record_bytes=1000)
    assert code == 2
    assert found[f"record sizes of {name}.out"]["state"] == "problem"
    assert found[f"record sizes of {name}"]["state"] == "warning"


@pytest.mark.kafka
def test_records_near_their_end_and_in_the_future(tmp_path: Path, kafka_bootstrap: str) -> None:
    name = made(kafka_bootstrap)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    now_ms = int(time.time() * 1000)
    producer.produce(name, b"{}", timestamp=now_ms - 6 * 86_400_000, partition=0)
    producer.produce(name, b"{}", timestamp=now_ms + 600_000, partition=1)
    producer.flush(10)
    code, found = examine(tmp_path, kafka_bootstrap, input=name)
    assert code == 0
    assert found[f"retention of {name}"]["state"] == "warning"  # 6 of 7 days
    assert found["clock"]["state"] == "warning"
    assert "in the future" in found["clock"]["found"]
