"""Input written in transactions: no lag once nothing more can be read, with a worker or without."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from streams.kafka.admin import ends, probe
from tests.integration.exactly_once import ExactlyOncePipeline
from tests.integration.pipelines import Pipeline, number
from tests.integration.workers import RunningWorker
from tests.penstock_command import run_penstock
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka

#: Of aborted records. A consumer that counted offsets would show as many as its lag.
NUM_ABORTED = 100


@dataclass
class TransactionalPipeline(Pipeline):
    """A pipeline whose input is written in transactions."""

    guarantee: str = "at_least_once"
    isolation: str = ""

    def settings(self) -> dict[str, Any]:
        settings = {**super().settings(), "guarantee": self.guarantee}
        if self.isolation:
            settings["kafka"] = {**settings["kafka"], "isolation.level": self.isolation}
        return settings

    def write(self, transactions: int, records: int, *, commits: bool = True) -> None:
        """Write transactions of some records each, and commit or abort them."""
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "transactional.id": uuid.uuid4().hex}
        )
        producer.init_transactions(30)
        end: Callable[..., Any] = (
            producer.commit_transaction if commits else producer.abort_transaction
        )
        for _ in range(transactions):
            producer.begin_transaction()
            for i in range(records):
                producer.produce(self.input, key=f"key-{i}", value=number(i))
            producer.flush()
            end(30)

    def end_offsets(self) -> dict[int, int]:
        """The end of each input partition, markers included."""
        found = ends(self.kafka, {self.input: self.partitions})
        return {partition: offset for (_, partition), offset in found.items()}

    def commits(self) -> dict[tuple[str, int], int]:
        """The ends of the broker's own topics: each commit and each transaction moves one."""
        topics = probe(self.kafka).topics
        own = ("__consumer_offsets", "__transaction_state")
        return ends(self.kafka, {name: topics[name] for name in own if name in topics})

    def is_quiet(self) -> bool:
        """Whether nothing is committed for three intervals; other groups may end meanwhile."""
        before = self.commits()
        time.sleep(3)
        return self.commits() == before

    def lag(self) -> dict[str, Any]:
        """What `penstock lag --json` says."""
        done = run_penstock("lag", "-c", str(self.config), "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def await_all_committed(self) -> None:
        """Wait until the group's offsets are at the ends of the input."""
        wait_until(
            "the group has committed up to the ends of the input",
            lambda: {p: max(at, 0) for p, at in self.committed().items()} == self.end_offsets(),
        )


def worker_lag(worker: RunningWorker) -> dict[str, float]:
    return {
        dict(labels)["partition"]: value
        for (name, labels), value in worker.metrics().items()
        if name == "penstock_consumer_lag_records"
    }


@pytest.mark.parametrize(
    ("guarantee", "isolation"),
    [("at_least_once", "read_committed"), ("at_least_once", ""), ("exactly_once", "")],
)
def test_an_idle_worker_has_no_lag(
    tmp_path: Path, kafka_bootstrap: str, guarantee: str, isolation: str
) -> None:
    """Behind committed records, behind aborted ones, and after a restart with nothing to read."""
    pipeline = TransactionalPipeline(
        tmp_path, kafka_bootstrap, 2, guarantee=guarantee, isolation=isolation
    )
    pipeline.write(10, 10)
    with pipeline.worker() as worker:
        worker.await_finished(100)
        pipeline.await_all_committed()
        pipeline.write(1, NUM_ABORTED, commits=False)
        pipeline.await_all_committed()
        wait_until("the worker exports no lag", lambda: set(worker_lag(worker).values()) == {0.0})
        assert pipeline.lag()["lag_records"] == 0
        assert worker.probe("/live")[0] == 200
        wait_until("the worker at rest commits nothing", pipeline.is_quiet)
        worker.stop()
    pipeline.write(1, NUM_ABORTED, commits=False)
    assert pipeline.committed() != pipeline.end_offsets()
    reads_aborted = guarantee == "at_least_once" and not isolation
    assert pipeline.lag()["lag_records"] == (NUM_ABORTED if reads_aborted else 0)
    with pipeline.worker() as worker:
        worker.await_ready()
        pipeline.await_all_committed()
        wait_until("the worker exports no lag", lambda: set(worker_lag(worker).values()) == {0.0})


def test_the_output_of_an_exactly_once_pipeline_leaves_no_lag_in_the_next(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    first = ExactlyOncePipeline(tmp_path, kafka_bootstrap, 2)
    folder = tmp_path / "second"
    folder.mkdir()

    class SecondPipeline(TransactionalPipeline):
        @property
        def input(self) -> str:
            return first.output

        @property
        def dead_letters(self) -> str:
            return f"{first.output}.dlq"

    second = SecondPipeline(folder, kafka_bootstrap, 2, guarantee="exactly_once")
    with first.worker() as one, second.worker() as two:
        first.produce(number(x) for x in range(20, 220))
        one.await_finished(200)
        two.await_finished(200)
        second.await_all_committed()
        wait_until("the worker exports no lag", lambda: set(worker_lag(two).values()) == {0.0})


def test_lag_without_a_worker_counts_what_can_be_read(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = TransactionalPipeline(tmp_path, kafka_bootstrap, 2, isolation="read_committed")
    pipeline.write(5, 10)
    pipeline.write(1, NUM_ABORTED, commits=False)
    lag = pipeline.lag()
    assert lag["lag_records"] == 50
    assert lag["num_members"] == 0
    assert all(p["is_exact"] and p["committed"] is None for p in lag["partitions"])
    assert all(0 <= p["lag_seconds"] < 600 for p in lag["partitions"])
    open_one = Producer(
        {"bootstrap.servers": kafka_bootstrap, "transactional.id": uuid.uuid4().hex}
    )
    open_one.init_transactions(30)
    open_one.begin_transaction()
    open_one.produce(pipeline.input, key="key-1", value=number(1))
    open_one.flush()
    assert pipeline.lag()["lag_records"] == 50, "records of an open transaction can't be read"
    open_one.commit_transaction(30)
    assert pipeline.lag()["lag_records"] == 51
