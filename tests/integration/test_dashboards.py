"""Every panel's query returns data from a real Prometheus that scraped a real worker under load."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer

from agents.pipeline.file import load_pipeline
from benchmarks.harness.monitoring import Monitoring, free_ports, missing_programs, monitoring
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.conftest import skip_or_fail
from tests.deploy.test_grafana import FILES, panels
from tests.integration.workers import running_worker
from tests.penstock_command import start_penstock
from tests.streams.health.test_gpu_metrics import has_gpu
from tests.waiting import wait_until

#: Grafana puts the step of the graph here; at a scrape each 5 s this is its shortest.
_VARIABLES = {"$__rate_interval": "20s", "$job": ".*"}


def write_pipeline(folder: Path, bootstrap: str, port: int) -> Path:
    """A pipeline whose agent learns, has a budget, and has no room for all keys."""
    name = "dashboards"
    settings = {
        "kafka": {"bootstrap.servers": bootstrap, "group.id": name},
        "metrics": {"port": port},
        "state": {"interval_seconds": 2},
        "agents": {
            "score": {
                "input": name, "output": f"{name}.scores", "event": "SensorReading",
                "model": {
                    "name": "robust_zscore",
                    "options": {"window": 32, "min_values": 8, "max_keys": 5},
                },
                "event_age_budget_seconds": 0.25,
            }
        },
    }  # fmt: skip
    config = folder / "penstock.yaml"
    config.write_text(yaml.safe_dump(settings))
    pipeline = load_pipeline(config)
    topics = [name, f"{name}.scores", f"{name}.dlq", pipeline.state_topic("score")]
    create_topics(pipeline.kafka, dict.fromkeys(topics, TopicSettings(partitions=2)))
    return config


@contextmanager
def load(bootstrap: str) -> Iterator[None]:
    """Readings of 20 sources, some with outliers, some that can't be read, some tombstones."""
    is_over = threading.Event()

    def produce() -> None:
        producer = Producer({"bootstrap.servers": bootstrap})
        first = 0
        while not is_over.wait(0.02):
            first += 10
            for number in range(first, first + 10):
                bar = 900.0 if number % 97 == 0 else 2.0 + number % 7 / 10
                value = json.dumps({"source_id": f"pump-{number % 20}", "values": {"bar": bar}})
                bad = {41: b"{bad", 43: None}
                sent = next((bad[n] for n in bad if number % n == 0), value.encode())
                producer.produce("dashboards", sent, f"pump-{number % 20}")
            producer.poll(0)
        producer.flush(10)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def empty_queries(monitor: Monitoring, file: Path) -> list[str]:
    """The queries of a dashboard that give no number now."""
    empty = []
    for panel in panels(file):
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in _VARIABLES.items():
                query = query.replace(variable, value)
            values = [float(series["value"][1]) for series in monitor.query(query)]
            if all(math.isnan(value) for value in values):
                empty.append(f"{panel['title']}: {query}")
    return empty


@pytest.mark.kafka
def test_every_panel_has_data(tmp_path: Path, kafka_bootstrap: str) -> None:
    if absent := missing_programs():
        skip_or_fail(f"{', '.join(absent)} absent: `make tools` installs it")
    worker_port, lag_port = free_ports(2)
    config = write_pipeline(tmp_path, kafka_bootstrap, worker_port)
    targets = {"penstock": [f"127.0.0.1:{worker_port}"], "penstock-lag": [f"127.0.0.1:{lag_port}"]}
    serve = ("lag", "--serve", "--port", str(lag_port), "--interval", "2", "-c", str(config))
    lag = start_penstock(*serve, log=tmp_path / "lag.log")
    files = [file for file in FILES if has_gpu() or "gpu" not in file.stem]
    assert files
    try:
        with (
            running_worker(config) as worker,
            load(kafka_bootstrap),
            monitoring(tmp_path, targets) as monitor,
        ):
            empty: list[str] = ["not asked yet"]

            def has_data() -> bool:
                worker.has_started()  # fails if it has ended
                empty[:] = [query for file in files for query in empty_queries(monitor, file)]
                return not empty

            try:
                wait_until("every query has data", has_data, timeout=150)
            except AssertionError as error:
                raise AssertionError(f"{error}: {empty}") from error
    finally:
        lag.kill()
        lag.wait()
