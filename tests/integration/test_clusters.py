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
from tests.integration.workers import RunningWorker
from tests.waiting import wait_for_count, wait_until

pytestmark = pytest.mark.kafka

NUM_PARTITIONS, NUM_EVENTS, NUM_LATER = 8, 16_000, 3_000
CENTERS = np.array([[2.0, 30.0, 0.0], [12.0, 340.0, 60.0], [40.0, 90.0, 5.0]])


def events(count: int, seed: int) -> list[bytes | None]:
    """Three kinds of behavior in turn; the kind is the event's id."""
    noise = np.random.default_rng(seed).normal(1.0, 0.05, (count, 3))
    rows = (CENTERS[np.arange(count) % 3] * noise).tolist()
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

    def await_results(self, count: int) -> None:
        """Wait until so many events have an assignment."""
        wait_for_count("events answered", lambda: len(self.read(self.output)), count, 120)


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
    assert pipeline.produce(events(NUM_EVENTS, seed=0), num_keys=2000) == NUM_EVENTS
    with pipeline.worker() as worker:
        wait_for_count(
            "events answered", lambda: len(pipeline.read(pipeline.output)), NUM_EVENTS, 120
        )
        await_shared(pipeline, worker)
        pipeline.produce(events(NUM_LATER, seed=1), num_keys=2000)
        expected = NUM_EVENTS + NUM_LATER
        wait_for_count(
            "events answered", lambda: len(pipeline.read(pipeline.output)), expected, 120
        )
        worker.await_drained()
        worker.stop()
    table = latest(pipeline.read(f"{pipeline.name}.global_clusters"))
    living = {i: record for i, record in table.items() if record["status"] != "died"}
    assert len(living) == 3
    global_ids = {
        (member["partition"], member["cluster_id"]): i
        for i, record in living.items()
        for member in record["members"]
    }
    assert {partition for partition, _ in global_ids} == set(range(NUM_PARTITIONS))
    results = [json.loads(m.value() or b"") for m in pipeline.read(pipeline.output)]
    check_assignments(results, global_ids)
    check_named(results, global_ids)


def await_shared(pipeline: Pipeline, worker: RunningWorker) -> None:
    """Wait until the picture of all partitions is in each of them, and nothing is in flight."""
    pictures = f"{pipeline.name}.global_clusters"

    def is_shared() -> bool:
        worker.await_drained()
        records = [json.loads(message.value() or b"") for message in pipeline.read(pictures)]
        known = {member["partition"] for record in records for member in record["members"]}
        copies = len(pipeline.read(pipeline.input)) - NUM_EVENTS
        return len(known) == NUM_PARTITIONS and copies == NUM_PARTITIONS * len(records)

    wait_until("the picture is in each partition", is_shared, 60)
    worker.await_drained()


def check_named(results: list[dict[str, Any]], global_ids: dict[tuple[int, int], int]) -> None:
    """Once the picture is in a partition's log, its assignments name the global cluster."""
    later = [result for result in results if result["global_id"] >= 0]
    assert len(later) > 0.8 * NUM_LATER
    for result in later:
        own = result["origin"]["partition"], result["cluster_id"]
        assert result["global_id"] == global_ids[own]


def check_assignments(
    results: list[dict[str, Any]], global_ids: dict[tuple[int, int], int]
) -> None:
    """Each kind of behavior has one global id, and each global id one kind."""
    pairs: Counter[tuple[str, int]] = Counter()
    for value in results:
        own = value["origin"]["partition"], value["cluster_id"]
        pairs[value["event_id"], global_ids.get(own, -1)] += 1
    unassigned = sum(count for (_, i), count in pairs.items() if i < 0)
    assert unassigned < 0.1 * NUM_EVENTS  # the first step of each partition, and few outliers
    named = [pair for pair in pairs if pair[1] >= 0]
    assert len(named) == len({kind for kind, _ in named}) == len({i for _, i in named}) == 3
