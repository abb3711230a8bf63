"""Every fault of the report, on workers under load; `penstock audit` decides whether it passed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agents.commands.broker import BrokerProcess
from agents.commands.soak.faults import FAULTS, broker_away
from agents.commands.soak.model import HANGS
from tests.faults.conftest import Report, open_testbed

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
SEED = 5
BOTH = pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])


@BOTH
@pytest.mark.parametrize(
    ("fault", "repetitions"), [("kill", 10), ("stop", 4), ("pause", 2), ("join", 3), ("broker", 3)]
)
def test_faults(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str, fault: str,
    repetitions: int,
) -> None:  # fmt: skip
    rng = random.Random(SEED)
    with open_testbed(own_broker, tmp_path, guarantee=guarantee) as under_load:
        for _ in range(repetitions):
            FAULTS[fault].act(under_load, rng)
            under_load.await_progress()
        row = under_load.finish(FAULTS[fault].description, repetitions)
    report(row)
    if fault in ("stop", "join"):
        assert row.duplicates == 0, "workers that stop by SIGTERM repeat nothing"


@BOTH
def test_the_broker_is_away_for_two_minutes(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    with open_testbed(own_broker, tmp_path, guarantee=guarantee) as under_load:
        broker_away(under_load, 120.0)
        under_load.await_progress(timeout=180.0)
        report(under_load.finish("the broker is away for two minutes", 1))


@BOTH
def test_records_that_make_the_model_raise(
    tmp_path: Path, own_broker: BrokerProcess, report: Report, guarantee: str
) -> None:
    """Every load has some of them and some that are not JSON; this one has many."""
    with open_testbed(own_broker, tmp_path, guarantee=guarantee, per_second=1500.0) as under_load:
        under_load.await_progress(8_000)
        row = under_load.finish("records that the model raises on, and that are no JSON", 1)
    report(row)
    assert row.dead_letters > 50, row


def test_a_model_slower_than_the_session(
    tmp_path: Path, own_broker: BrokerProcess, report: Report
) -> None:
    with open_testbed(
        own_broker, tmp_path, num_workers=1, per_second=50.0, model={"batch_seconds": 8.0},
        poisons=False,
        agent={"batch": {"max_batch_size": 512, "max_wait_seconds": 0.05}},
    ) as under_load:  # fmt: skip
        under_load.await_progress(800)
        row = under_load.finish("a model call takes longer than the session", 1)
    report(row)
    assert row.duplicates == 0, row


def test_a_model_that_hangs(tmp_path: Path, own_broker: BrokerProcess, report: Report) -> None:
    agent = {"isolation": "process", "predict_timeout_seconds": 1.0,
             "batch": {"max_batch_size": 4, "max_wait_seconds": 0.02}}  # fmt: skip
    with open_testbed(own_broker, tmp_path, num_workers=1, extra=(HANGS,), per_second=60.0,
               agent=agent) as under_load:  # fmt: skip
        under_load.await_progress(800)
        row = under_load.finish("the model hangs on some records (isolation: process)", 1)
    report(row)


def test_results_too_large_for_their_topic(
    tmp_path: Path, own_broker: BrokerProcess, report: Report
) -> None:
    with open_testbed(
        own_broker, tmp_path, per_second=50.0, output_config={"max.message.bytes": "600"},
        model={"result_chars": 500},
    ) as under_load:  # fmt: skip
        under_load.await_progress(200)
        row = under_load.finish("the output topic refuses each result as too large", 1)
    report(row)
    assert row.results == 0, row
    assert row.dead_letters == row.records, row
