"""`examples/clusters.yaml` through a real broker: eight partitions become one picture."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from tests.conftest import REPO
from tests.integration.pipelines import Pipeline, make_planned_topics

pytestmark = pytest.mark.kafka

NUM_PARTITIONS, NUM_EVENTS = 8, 16_000
CENTERS = np.array([[2.0, 30.0, 0.0], [12.0, 340.0, 60.0], [40.0, 90.0, 5.0]])


def events() -> list[bytes | None]:
    """Three kinds of behavior in turn; the kind is the event's id."""
    noise = np.random.default_rng(0).normal(1.0, 0.05, (NUM_EVENTS, 3))
    rows = (CENTERS[np.arange(NUM_EVENTS) % 3] * noise).tolist()
    names = ("pages", "seconds", "amount_eur")
    return [
        msgspec.json.encode(
            {
                "event_id": str(i % 3),
                "event_time_ms": 1_700_000_000_000 + i,
                "action": "view",
                "features": dict(zip(names, row, strict=True)),
            }
        )
        for i, row in enumerate(rows)
    ]


class ClustersPipeline(Pipeline):
    """The example with other topics, so that runs don't share them."""

    def __post_init__(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings()))
        make_planned_topics(self.config)

    def settings(self) -> dict[str, Any]:
        text = (REPO / "examples" / "clusters.yaml").read_text()
        settings: dict[str, Any] = yaml.safe_load(text.replace("behavior.", f"{self.name}."))
        settings["kafka"] = {**self.kafka, "group.id": self.name}
        return settings | {"metrics": {"port": 0}, "commit_interval_seconds": 0.2}

    @property
    def input(self) -> str:
        return f"{self.name}.events"

    @property
    def output(self) -> str:
        return f"{self.name}.clusters"


def latest(records: list[Any]) -> dict[int, dict[str, Any]]:
    """Return the latest record of each key, as a compacted topic keeps it."""
    table: dict[int, dict[str, Any]] = {}
    for record in records:
        value = json.loads(record.value() or b"")
        assert record.key() == str(value["global_id"]).encode()
        table[value["global_id"]] = value
    return table


def test_eight_partitions_become_one_picture(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = ClustersPipeline(tmp_path, kafka_bootstrap)
    assert pipeline.produce(events(), num_keys=2000) == NUM_EVENTS
    with pipeline.worker() as worker:
        worker.await_answered(NUM_EVENTS, timeout=120)
        worker.await_drained()
        num_updates = len(pipeline.read(f"{pipeline.name}.cluster_updates"))
        worker.await_finished(NUM_EVENTS + num_updates)
        worker.stop()
    assert num_updates >= NUM_PARTITIONS
    table = latest(pipeline.read(f"{pipeline.name}.global_clusters"))
    living = {i: record for i, record in table.items() if record["status"] != "died"}
    assert len(living) == 3
    global_ids = {
        (member["partition"], member["cluster_id"]): i
        for i, record in living.items()
        for member in record["members"]
    }
    assert {partition for partition, _ in global_ids} == set(range(NUM_PARTITIONS))
    check_assignments(pipeline.read(pipeline.output), global_ids)


def check_assignments(records: list[Any], global_ids: dict[tuple[int, int], int]) -> None:
    """Each kind of behavior has one global id, and each global id one kind."""
    pairs: Counter[tuple[str, int]] = Counter()
    for record in records:
        value = json.loads(record.value() or b"")
        own = value["origin"]["partition"], value["cluster_id"]
        pairs[value["event_id"], global_ids.get(own, -1)] += 1
    unassigned = sum(count for (_, i), count in pairs.items() if i < 0)
    assert unassigned < 0.1 * NUM_EVENTS  # the first step of each partition, and few outliers
    named = [pair for pair in pairs if pair[1] >= 0]
    assert len(named) == len({kind for kind, _ in named}) == len({i for _, i in named}) == 3
