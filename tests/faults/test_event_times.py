"""Producers that send event times in another unit, to an agent that drops what is too old."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.commands.broker import BrokerProcess
from tests.faults.conftest import Report, open_testbed

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
NUM_EACH = 300
#: Units of a second: seconds, microseconds, and milliseconds of a clock that never was set.
UNITS = (1, 1_000_000)
UNSET_CLOCK_MS = 1234


def test_event_times_in_other_units(
    tmp_path: Path, own_broker: BrokerProcess, report: Report
) -> None:
    agent = {"overload": "latest", "deadline_seconds": 300.0, "expired": "dead_letter"}
    with open_testbed(own_broker, tmp_path, agent=agent, poisons=False) as under_load:
        under_load.await_progress()
        producer = Producer({"bootstrap.servers": own_broker.bootstrap_servers})
        for i in range(NUM_EACH):
            times = [*(int(time.time() * unit) for unit in UNITS), UNSET_CLOCK_MS]
            for time_ms in times:
                value = json.dumps({"x": 100_000 + i, "event_time_ms": time_ms})
                producer.produce(under_load.name, value, f"key-{i % 20}")
        assert producer.flush(60) == 0
        under_load.await_progress()
        row = under_load.finish("event times in seconds and microseconds, with a deadline", 1)
        log = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    report(row)
    assert row.dead_letters <= row.records // 307 + 2, "only what is no JSON"
    assert 1 <= log.count("implausible event time") <= 2, "once for each worker"
