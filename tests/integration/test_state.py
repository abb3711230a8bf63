"""Workers with online models are killed, stopped and joined by others: no answer is another one.

Each run is compared, record by record and byte by byte, with one that nothing happened to.
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
from tests.integration.committed import ExactlyOncePipeline
from tests.integration.running import Origin, RunningWorker, until

pytestmark = pytest.mark.kafka

_MODEL = '''
"""The registered models, small and slow: so that a run can be interrupted."""
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
    """The input, if it is another pipeline's."""
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
        """The answers to each input record, as they were written."""
        found: dict[Origin, list[bytes]] = defaultdict(list)
        for message in self.read(self.output):
            value = message.value() or b""
            origin = json.loads(value)["origin"]
            found[origin["partition"], origin["offset"]].append(value)
        return found

    def answered(self) -> dict[Origin, list[float]]:
        return {origin: [0.0] * len(values) for origin, values in self.values().items()}

    def moved(self) -> dict[tuple[int, int], set[bytes]]:
        """The updates by partition and sequence."""
        found: dict[tuple[int, int], set[bytes]] = defaultdict(set)
        for message in self.read(self.updates):
            value = json.loads(message.value() or b"")
            found[value["partition"], value["sequence"]].add(message.value() or b"")
        return found


def records(count: int, seed: int) -> Iterator[bytes | None]:
    """Behaviour and readings at once; one in thirty is a tombstone, one in thirty is bad."""
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
def test_whatever_happens_to_workers_answers_are_the_same(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _run_troubled(tmp_path, kafka_bootstrap, "SlowKMeans", "topic")


@pytest.mark.faults
def test_whatever_happens_to_workers_with_state_in_a_folder(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _run_troubled(tmp_path, kafka_bootstrap, "SlowZScore", f"file://{tmp_path}/states")


@pytest.mark.faults
def test_whatever_happens_to_workers_with_transactions(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    _run_troubled(tmp_path, kafka_bootstrap, "SlowKMeans", "topic", "exactly_once")


def _run_troubled(
    tmp_path: Path, bootstrap: str, model: str, store: str, guarantee: str = "at_least_once"
) -> None:
    steady = LearningPipeline(tmp_path, bootstrap, model=model)
    count = steady.produce(records(6000, seed=1), num_keys=200)
    troubled = LearningPipeline(
        tmp_path, bootstrap, model=model, source=steady.input, store=store,
        batch_seconds=0.04, guarantee=guarantee,
    )  # fmt: skip
    dice = random.Random(2)
    for _ in range(3):
        progress(troubled, dice.randint(300, 900), kill=True)
    progress(troubled, 500, kill=False)
    with troubled.worker() as first:
        until(lambda: is_up(first) and finished(first) > 300)
        with troubled.worker() as second:
            until(lambda: is_up(second) and "holding 2" in second.log.read_text())
            count += steady.produce(records(3000, seed=9), num_keys=200)
            until(lambda: finished(second) > 100, timeout=60)
            assert second.stop() == 0
        until(lambda: sum(troubled.committed().values()) == count, timeout=120)
        assert first.stop() == 0
    with steady.worker() as worker:
        until(lambda: sum(steady.committed().values()) == count, timeout=60)
        assert worker.stop() == 0
    same_answers(steady, troubled)
    if guarantee == "exactly_once":
        assert all(len(values) == 1 for values in troubled.values().values())


def progress(pipeline: LearningPipeline, num_records: int, kill: bool) -> None:
    """Run a worker until it has answered so many, then end it."""
    with pipeline.worker() as worker:
        until(lambda: worker.accounts()["answered"] >= num_records if is_up(worker) else False)
        if kill:
            worker.kill()
        else:
            assert worker.stop() == 0, worker.log.read_text()


def is_up(worker: RunningWorker) -> bool:
    assert worker.process.poll() is None, worker.log.read_text()
    return "metrics at" in worker.log.read_text()


def same_answers(steady: LearningPipeline, troubled: LearningPipeline) -> None:
    expected, found = steady.values(), troubled.values()
    assert found.keys() == expected.keys()
    assert len({value for values in expected.values() for value in values}) == len(expected)
    wrong = {o: values for o, values in found.items() if set(values) != set(expected[o])}
    assert not wrong, f"{len(wrong)} of {len(found)}: {next(iter(wrong.items()))}"
    assert troubled.moved() == steady.moved()
    assert troubled.refused().keys() == steady.refused().keys()


def test_a_stop_and_a_start_repeat_nothing(tmp_path: Path, kafka_bootstrap: str) -> None:
    """Records between snapshot and commit are learned from, not answered or refused again."""
    pipeline = LearningPipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    count = pipeline.produce(records(3000, seed=3), num_keys=200)
    progress(pipeline, 500, kill=False)
    with pipeline.worker() as worker:
        until(lambda: is_up(worker) and finished(worker) > 0)
        until(lambda: sum(pipeline.committed().values()) == count)
        replayed = sum(
            int(value)
            for (name, _), value in worker.metrics().items()
            if name == "penstock_records_replayed_total"
        )
        until(lambda: worker.accounts()["in_flight"] == 0)
        accounts = worker.accounts()
        assert worker.stop() == 0
    # No step is longer than 16 offsets, and the last snapshot was taken when all was committed.
    assert 0 < replayed < 16 * pipeline.partitions
    assert accounts["in"] == sum(accounts[o] for o in ("answered", "dead_lettered", "filtered"))
    assert all(len(values) == 1 for values in pipeline.values().values())
    assert all(len(reasons) == 1 for reasons in pipeline.refused().values())
    assert pipeline.refused()


def finished(worker: RunningWorker) -> int:
    return worker.accounts()["answered"]


def test_a_snapshot_that_does_not_fit_ends_the_worker(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = LearningPipeline(tmp_path, kafka_bootstrap, batch_seconds=0.01)
    pipeline.produce(records(1500, seed=4))
    progress(pipeline, 100, kill=False)
    committed, before = pipeline.committed(), len(pipeline.values())
    (tmp_path / "slow.py").write_text(_MODEL.replace("k=5", "k=6"))
    with pipeline.worker() as worker:
        assert worker.process.wait(timeout=40) == 1
    log = worker.log.read_text()
    assert "Traceback" not in log
    (line,) = (line for line in log.splitlines() if "the worker ends" in line)
    assert "does not fit" in line
    assert "penstock state reset learn" in line
    assert (pipeline.committed(), len(pipeline.values())) == (committed, before)
    pipeline.on_mismatch = "fresh"
    pipeline.write()
    reset = ["state", "reset", "learn", "--yes", "-c", str(pipeline.config)]
    with pipeline.worker() as worker:
        until(lambda: is_up(worker) and finished(worker) > 100)
        refused = CliRunner().invoke(app, reset)
        assert refused.exit_code == 2
        assert f"1 workers of group {pipeline.name} run: stop them first" in refused.stderr
        assert worker.stop() == 0
    assert "does not fit" in worker.log.read_text()
    done = CliRunner().invoke(app, reset)
    assert "snapshots deleted" in done.stdout, done.output
    pipeline.on_mismatch = "stop"
    pipeline.write()
    (tmp_path / "slow.py").write_text(_MODEL.replace("k=5", "k=7"))
    pipeline.produce(records(500, seed=6))
    progress(pipeline, 100, kill=False)


def test_records_that_are_gone_are_told(tmp_path: Path, kafka_bootstrap: str) -> None:
    """The topic's retention has removed what the model should learn from again."""
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
        until(lambda: is_up(worker) and finished(worker) > 100)
        log = worker.log.read_text()
        assert worker.stop() == 0
    assert f"{pipeline.input}:0: the topic no longer has offsets 0 to {committed // 2 - 1}" in log
