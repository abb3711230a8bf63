"""Workers with online models are killed, stopped and joined by others: no answer changes.

Each run is compared, record by record and byte by byte, with an undisturbed one.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from agents.commands.main import app
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from streams.state.topic_store import TOPIC_CONFIG
from tests.integration.exactly_once import ExactlyOncePipeline
from tests.integration.outcomes import assert_answered_once, line_with
from tests.integration.pipelines import Origin
from tests.waiting import wait_for_count, wait_until

pytestmark = pytest.mark.kafka

_MODEL = '''
"""The registered models, small and slow, so that a run can be interrupted."""
import time
from models.anomaly.half_space_trees import HalfSpaceTrees
from models.anomaly.robust_zscore import RobustZScore
from models.clustering.online_kmeans import OnlineKMeans

class SlowKMeans(OnlineKMeans):
    def __init__(self, batch_seconds: float = 0.0):
        super().__init__(k=5, seed_events=64, learn_every=16)
        self.batch_seconds = batch_seconds

    def predict_batch(self, batch):
        time.sleep(self.batch_seconds)
        return super().predict_batch(batch)

class SlowZScore(RobustZScore):
    def __init__(self, batch_seconds: float = 0.0):
        super().__init__(window=200)
        self.batch_seconds = batch_seconds

    def predict_batch(self, batch):
        time.sleep(self.batch_seconds)
        return super().predict_batch(batch)
'''


@dataclass
class LearningPipeline(ExactlyOncePipeline):
    """A pipeline of one agent whose model learns."""

    model: str = "SlowKMeans"
    source: str = ""
    """The input topic, if it is another pipeline's."""
    store: str = "topic"
    on_mismatch: str = "stop"
    interval_seconds: float = 0.3
    guarantee: str = "at_least_once"

    def __post_init__(self) -> None:
        (self.folder / "slow.py").write_text(_MODEL)
        self.write()
        wanted = TopicSettings(partitions=self.partitions)
        topics = (self.input, self.output, self.updates, self.dead_letters)
        state = TopicSettings(partitions=self.partitions, config=TOPIC_CONFIG)
        create_topics(
            self.kafka, {**dict.fromkeys(topics, wanted), f"{self.name}.learn.state": state}
        )

    def write(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings()))

    @property
    def config(self) -> Path:
        return self.folder / f"{self.name}.yaml"

    @property
    def input(self) -> str:
        return self.source or self.name

    @property
    def dead_letters(self) -> str:
        return f"{self.name}.dlq"

    @property
    def updates(self) -> str:
        return f"{self.name}.updates"

    def settings(self) -> dict[str, Any]:
        base = super().settings()
        agent = base["agents"].pop("double") | {
            "event": "",
            "updates": self.updates,
            "dead_letters": self.dead_letters,
            "model": {
                "name": f"./slow.py:{self.model}",
                "options": {"batch_seconds": self.batch_seconds},
            },
            "batch": {"max_batch_size": 30, "max_wait_seconds": 0.01},
        }
        state = {
            "store": self.store,
            "interval_seconds": self.interval_seconds,
            "on_mismatch": self.on_mismatch,
        }
        return base | {"agents": {"learn": agent}, "state": state, "guarantee": self.guarantee}

    def values(self) -> dict[Origin, list[bytes]]:
        """The encoded results of each input record."""
        values: dict[Origin, list[bytes]] = defaultdict(list)
        for message in self.read(self.output):
            value = message.value() or b""
            origin = json.loads(value)["origin"]
            values[origin["partition"], origin["offset"]].append(value)
        return values

    def answered(self) -> dict[Origin, list[float]]:
        return {origin: [0.0] * len(values) for origin, values in self.values().items()}

    def update_values(self) -> dict[tuple[int, int], set[bytes]]:
        """The encoded updates by partition and sequence."""
        updates: dict[tuple[int, int], set[bytes]] = defaultdict(set)
        for message in self.read(self.updates):
            value = json.loads(message.value() or b"")
            updates[value["partition"], value["sequence"]].add(message.value() or b"")
        return updates


def records(count: int, seed: int) -> Iterator[bytes | None]:
    """Yield events that suit both models; 1 in 30 is a tombstone, 1 in 30 is bad."""
    dice = random.Random(seed)
    for index in range(count):
        spoiled = dice.randrange(30)
        if spoiled < 2:
            yield None if spoiled else b'{"features": '
            continue
        x, y = dice.gauss(10 * (index % 4), 1), dice.gauss(5 * (index % 3), 1)
        if dice.random() < 0.01:
            x *= 50
        event = {
            "event_id": str(index), "event_time_ms": 1_700_000_000_000 + index, "action": "buy",
            "features": {"x": x, "y": y}, "values": {"x": x, "y": y},
        }  # fmt: skip
        yield msgspec.json.encode(event)


@pytest.mark.faults
def test_disturbed_workers_give_the_same_answers(tmp_path: Path, kafka_bootstrap: str) -> None:
    _compare_disturbed_run(tmp_path, kafka_bootstrap, "SlowKMeans", "topic")


@pytest.mark.faults
def test_disturbed_workers_with_state_in_a_folder(tmp_path: Path, kafka_bootstrap: str) -> None:
    _compare_disturbed_run(tmp_path, kafka_bootstrap, "SlowZScore", f"file://{tmp_path}/states")


@pytest.mark.faults
def test_disturbed_workers_with_transactions(tmp_path: Path, kafka_bootstrap: str) -> None:
    _compare_disturbed_run(tmp_path, kafka_bootstrap, "SlowKMeans", "topic", "exactly_once")


def _compare_disturbed_run(
    tmp_path: Path, bootstrap: str, model: str, store: str, guarantee: str = "at_least_once"
) -> None:
    steady = LearningPipeline(tmp_path, bootstrap, model=model)
    count = steady.produce(records(6000, seed=1), num_keys=200)
    disturbed = LearningPipeline(
        tmp_path, bootstrap, model=model, source=steady.input, store=store,
        batch_seconds=0.04, guarantee=guarantee,
    )  # fmt: skip
    dice = random.Random(2)
    for _ in range(3):
        progress(disturbed, dice.randint(300, 900), kill=True)
    progress(disturbed, 500, kill=False)
    with disturbed.worker() as first:
        first.await_answered(300)
        with disturbed.worker() as second:
            second.await_started()
            wait_until(
                "the second worker holds two partitions", lambda: "holding 2" in second.log_text()
            )
            count += steady.produce(records(3000, seed=9), num_keys=200)
            second.await_answered(100, timeout=60)
            second.stop()
        await_committed(disturbed, count, timeout=120)
        first.stop()
    with steady.worker() as worker:
        await_committed(steady, count, timeout=60)
        worker.stop()
    assert_same_answers(steady, disturbed)
    if guarantee == "exactly_once":
        assert_answered_once(disturbed)


def progress(pipeline: LearningPipeline, num_records: int, kill: bool) -> None:
    """Run a worker until it has answered `num_records`, then kill or stop it."""
    with pipeline.worker() as worker:
        worker.await_answered(num_records)
        if kill:
            worker.kill()
        else:
            worker.stop()


def await_committed(pipeline: LearningPipeline, count: int, timeout: float = 30.0) -> None:
    """Wait until the group has committed `count` records."""
    wait_for_count("committed records", lambda: sum(pipeline.committed().values()), count, timeout)


def assert_same_answers(steady: LearningPipeline, disturbed: LearningPipeline) -> None:
    expected, answers = steady.values(), disturbed.values()
    assert answers.keys() == expected.keys()
    assert len({value for values in expected.values() for value in values}) == len(expected)
    wrong = {o: values for o, values in answers.items() if set(values) != set(expected[o])}
    differ = f"{len(wrong)} of {len(answers)} answers differ; the first: {[*wrong.items()][:1]}"
    assert not wrong, differ
    assert disturbed.update_values() == steady.update_values()
    assert disturbed.refused().keys() == steady.refused().keys()


def test_a_stop_and_a_start_repeat_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    """Records between snapshot and commit are learned again, not answered or refused again."""
    pipeline = LearningPipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    count = pipeline.produce(records(3000, seed=3), num_keys=200)
    progress(pipeline, 500, kill=False)
    with pipeline.worker() as worker:
        worker.await_answered(1)
        await_committed(pipeline, count)
        replayed = sum(
            int(value)
            for (name, _), value in worker.metrics().items()
            if name == "penstock_records_replayed_total"
        )
        worker.await_drained()
        accounts = worker.accounts()
        worker.stop()
    # No step is longer than 16 offsets, and the last snapshot was taken when all was committed.
    assert 0 < replayed < 16 * pipeline.partitions
    assert accounts["in"] == sum(accounts[o] for o in ("answered", "dead_lettered", "filtered"))
    assert_answered_once(pipeline)
    refused = pipeline.refused()
    assert refused
    repeated = {origin: reasons for origin, reasons in refused.items() if len(reasons) > 1}
    assert not repeated, f"more than one dead letter: {repeated}"


def test_a_snapshot_that_does_not_fit_ends_the_worker(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = LearningPipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    pipeline.produce(records(1500, seed=4))
    progress(pipeline, 100, kill=False)
    committed, before = pipeline.committed(), len(pipeline.values())
    (tmp_path / "slow.py").write_text(_MODEL.replace("k=5", "k=6"))
    with pipeline.worker() as worker:
        log = worker.await_exit(1)
    line = line_with(log, "the worker ends")
    assert "does not fit" in line
    assert "penstock state reset learn" in line
    assert (pipeline.committed(), len(pipeline.values())) == (committed, before)
    pipeline.on_mismatch = "fresh"
    pipeline.write()
    reset = ["state", "reset", "learn", "--yes", "-c", str(pipeline.config)]
    with pipeline.worker() as worker:
        worker.await_answered(100)
        refused = CliRunner().invoke(app, reset)
        assert refused.exit_code == 2
        assert f"1 workers of group {pipeline.name} are running: stop them first" in refused.stderr
        worker.stop()
    assert "does not fit" in worker.log_text()
    done = CliRunner().invoke(app, reset)
    assert "snapshots deleted" in done.stdout, done.output
    pipeline.on_mismatch = "stop"
    pipeline.write()
    (tmp_path / "slow.py").write_text(_MODEL.replace("k=5", "k=7"))
    pipeline.produce(records(500, seed=6))
    progress(pipeline, 100, kill=False)


def test_records_deleted_by_retention_are_logged(tmp_path: Path, kafka_bootstrap: str) -> None:
    """The topic's retention has deleted records that the model should learn again."""
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    pipeline = LearningPipeline(
        tmp_path, kafka_bootstrap, batch_seconds=0.01, partitions=1, interval_seconds=3600.0
    )
    pipeline.produce(records(3000, seed=5))
    progress(pipeline, 500, kill=True)
    (committed,) = pipeline.committed().values()
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    gone = TopicPartition(pipeline.input, 0, committed // 2)
    for future in admin.delete_records([gone]).values():
        future.result()
    with pipeline.worker() as worker:
        worker.await_answered(100)
        log = worker.log_text()
        worker.stop()
    assert f"{pipeline.input}:0: the topic no longer has offsets 0 to {committed // 2 - 1}" in log
