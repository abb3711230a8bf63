"""Each pipeline file in examples/your-own-topics, end to end: other people's records, unchanged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer

from tests.conftest import REPO
from tests.integration.pipelines import Pipeline
from tests.integration.workers import running_worker
from tests.penstock_command import run_penstock

FOLDER = REPO / "examples" / "your-own-topics"


class Run:
    """One run of an example on a broker: what it answered, refused and counted."""

    def __init__(self, folder: Path, bootstrap: str, name: str) -> None:
        self._pipeline = Pipeline(folder, bootstrap)
        self._folder, self._bootstrap = folder, bootstrap
        settings = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
        ((self.agent, agent),) = settings["agents"].items()
        # Topics of other tests have other names.
        prefix = self._pipeline.name
        for key in ("input", "output", "updates"):
            if key in agent:
                agent[key] = f"{prefix}.{agent[key]}"
        self.input, self.output = agent["input"], agent["output"]
        settings |= {"metrics": {"port": 0}, "topics": {"default": {"partitions": 1}},
                     "kafka": {"bootstrap.servers": bootstrap, "group.id": prefix}}  # fmt: skip
        self.config = folder / "example.yaml"
        self.config.write_text(yaml.safe_dump(settings))

    def run(self, values: Sequence[Any], key: str | None = "k1") -> None:
        created = run_penstock("topics", "create", "-c", str(self.config))
        assert created.returncode == 0, created.stderr
        producer = Producer({"bootstrap.servers": self._bootstrap})
        for value in values:
            producer.produce(self.input, json.dumps(value), key)
        assert producer.flush(30) == 0
        with running_worker(self.config, log_folder=self._folder) as worker:
            worker.await_finished(len(values))
            self.metrics = worker.metrics()
            worker.stop()
        audited = run_penstock("audit", "-c", str(self.config), "--drained")
        assert audited.returncode == 0, audited.stdout + audited.stderr

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(m.value() or b"") for m in self._pipeline.read(self.output)]

    def ids(self) -> list[bytes]:
        return [dict(m.headers() or [])["ce_id"] for m in self._pipeline.read(self.output)]

    def refused(self) -> list[str]:
        letters = self._pipeline.read(f"{self.input}.dlq")
        return [
            dict(m.headers() or [])["__penstock.errors.exception.message"].decode() for m in letters
        ]

    def filtered(self, reason: str) -> float:
        labels = {"agent": self.agent, "topic": self.input, "reason": reason}
        return self.metrics["penstock_records_filtered_total", frozenset(labels.items())]


def test_nested_json_with_iso_times(tmp_path: Path, bootstrap: str) -> None:
    run = Run(tmp_path, bootstrap, "nested-json")
    good = {"deviceId": "p7", "ts": "2026-11-28T05:26:18.454+01:00",
            "data": {"tempC": 21.5, "rpm": None, "on": True}}  # fmt: skip
    off = {**good, "data": {"tempC": 20.0, "on": False}}
    late = {**good, "ts": "28.11.2026"}
    run.run([good, off, late])
    (result,) = run.results()
    assert (result["source_id"], result["event_time_ms"]) == ("p7", 1_795_839_978_454)
    assert run.filtered("where") == 1
    assert run.refused() == [
        "ts: expected an ISO 8601 time such as 2026-11-28T05:26:18.454+01:00, found the text "
        "'28.11.2026'"
    ]


def test_structured_cloudevents(tmp_path: Path, bootstrap: str) -> None:
    run = Run(tmp_path, bootstrap, "cloudevents")
    event = {"specversion": "1.0", "id": "e1", "source": "/plant/7", "type": "reading",
             "time": "2026-11-28T04:26:18Z", "data": {"pressure": {"bar": 2.5}}}  # fmt: skip
    run.run([event, {**event, "type": "status"}, {"bar": 2.5}], key=None)
    (result,) = run.results()
    assert (result["source_id"], result["event_id"]) == ("/plant/7", "e1")
    assert result["event_time_ms"] == 1_795_839_978_000
    assert run.filtered("where") == 1
    (message,) = run.refused()
    assert message.startswith("expected a structured CloudEvent")


def test_connects_envelope(tmp_path: Path, bootstrap: str) -> None:
    run = Run(tmp_path, bootstrap, "connect")
    order = {
        "id": 4711,
        "updated_at": 1_795_839_978_454,
        "kind": "buy",
        "amount": 59.9,
        "pages": 12,
    }
    run.run([
        {"schema": {"type": "struct"}, "payload": order},
        {"schema": None, "payload": None},
        {"schema": None, "payload": {**order, "amount": "59.9"}},
    ])  # fmt: skip
    (result,) = run.results()
    assert (result["source_id"], result["event_time_ms"]) == ("4711", 1_795_839_978_454)
    assert run.filtered("tombstone") == 1
    assert run.refused() == ["amount: expected a number, found the text '59.9'"]


def test_arrays_of_readings(tmp_path: Path, bootstrap: str) -> None:
    run = Run(tmp_path, bootstrap, "arrays")
    readings = [{"at": 1_795_839_978 + i, "tempC": 21.5 + i} for i in range(5)]
    run.run([
        {"gateway": "g1", "readings": readings},
        {"gateway": "g1", "readings": []},
        {"gateway": "g2", "readings": [*readings, {"at": 5}]},
    ])  # fmt: skip
    results = run.results()
    assert [r["event_time_ms"] for r in results] == [1000 * r["at"] for r in readings]
    assert len(set(run.ids())) == len(results) == 5
    assert run.filtered("empty") == 1
    assert run.refused() == ["readings[5]: no channel has a value: tempC: null or absent"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_example_has_its_test(path: Path) -> None:
    tests = (Path(__file__), Path(__file__).with_name("test_schema_registry.py"))
    assert any(f'"{path.stem}"' in test.read_text() for test in tests)
