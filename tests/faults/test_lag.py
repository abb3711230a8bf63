"""Faults around lag: aborted transactions in the input, and a time without any worker.

Beside the audit, `penstock lag` must be right: it counts what waits, and 0 in the end.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.commands.broker import BrokerProcess
from agents.commands.lag.reading import LagReader
from agents.commands.lag.report import LagReport, total_records
from agents.commands.soak import Testbed
from agents.commands.soak.faults import FAULTS
from tests.faults.conftest import Report, open_testbed
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
SEED = 9
NUM_ABORTED = 50
_PAUSE_SECONDS = 0.1


def lag_of(testbed: Testbed) -> LagReport:
    with closing(LagReader(testbed.settings)) as reader:
        return reader.read()


def assert_nothing_waits(testbed: Testbed) -> None:
    report = lag_of(testbed)
    assert [p for p in report.partitions if p.lag_records or not p.is_exact] == []


@contextmanager
def aborted_transactions(testbed: Testbed) -> Iterator[None]:
    """Abort transactions on the input all the time, and one on each partition at the end."""
    kafka = {**testbed.setup.kafka, "transactional.id": f"aborts-{uuid.uuid4().hex[:8]}"}
    producer = Producer(kafka)
    producer.init_transactions(60)
    stop = threading.Event()

    def abort_one() -> None:
        producer.begin_transaction()
        for i in range(NUM_ABORTED):
            partition = i % testbed.setup.partitions
            producer.produce(testbed.name, b'{"x": 1}', b"aborted", partition=partition)
        producer.flush(60)
        producer.abort_transaction(60)

    def run() -> None:
        while not stop.wait(_PAUSE_SECONDS):
            abort_one()

    thread = threading.Thread(target=run, name="aborts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        abort_one()


def test_aborted_transactions_in_the_input(
    tmp_path: Path, own_broker: BrokerProcess, report: Report
) -> None:
    """Workers are killed meanwhile; in the end the position is behind the last aborted record."""
    rng = random.Random(SEED)
    with open_testbed(own_broker, tmp_path, guarantee="exactly_once") as under_load:
        with aborted_transactions(under_load):
            for _ in range(3):
                FAULTS["kill"].act(under_load, rng)
                under_load.await_progress()
        row = under_load.finish("aborted transactions in the input, workers are killed", 3)
        assert_nothing_waits(under_load)
    report(row)


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
def test_no_worker_runs_for_a_while(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    """The lag is read from the broker: it grows, with its age, and is 0 when workers are back."""
    with open_testbed(own_broker, tmp_path, guarantee=guarantee) as under_load:
        while under_load.workers:
            assert under_load.workers.pop().stop() == 0
        wait_until("the group has no member", lambda: lag_of(under_load).num_members == 0)
        first = lag_of(under_load)
        time.sleep(5.0)
        second = lag_of(under_load)
        grown = total_records(second.partitions) - total_records(first.partitions)
        assert grown > 0.5 * 5.0 * under_load.setup.per_second
        assert max(p.lag_seconds or 0.0 for p in second.partitions) > 5.0
        for _ in range(under_load.setup.num_workers):
            under_load.add_worker().await_member()
        under_load.await_progress()
        row = under_load.finish("no worker runs for a while; penstock lag sees what waits", 1)
        assert_nothing_waits(under_load)
    report(row)
