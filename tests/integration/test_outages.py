"""A broker that is away for longer than its clients' timeouts: the worker waits, and goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import KafkaException

from agents.commands.broker import BrokerProcess, kafka_broker
from tests.brokers import need_kafka
from tests.integration.probing import is_ready, probe
from tests.integration.running import Pipeline, RunningWorker, number, until
from tests.integration.test_faults import assert_nothing_is_lost

pytestmark = pytest.mark.kafka

AWAY: dict[str, Callable[[BrokerProcess], Any]] = {
    "stopped": BrokerProcess.stop,
    "killed": BrokerProcess.kill,
    # As an unplugged machine: connections stay open, and nothing is ever answered.
    "frozen": lambda broker: _signal(broker, signal.SIGSTOP),
}
BACK: dict[str, Callable[[BrokerProcess], Any]] = {
    "stopped": BrokerProcess.start,
    "killed": BrokerProcess.start,
    "frozen": lambda broker: _signal(broker, signal.SIGCONT),
}


def _signal(broker: BrokerProcess, number: signal.Signals) -> None:
    os.kill(broker.pid, number)


def _shorten(pipeline: Pipeline) -> None:
    """Give the clients timeouts that a short outage exceeds."""
    settings = pipeline.settings()
    settings["kafka"]["socket.timeout.ms"] = 3000
    settings["liveness_timeout_seconds"] = 5
    pipeline.config.write_text(yaml.safe_dump(settings))


def _outage(broker: BrokerProcess, worker: RunningWorker, how: str, seconds: float) -> None:
    """Have the broker go away and come back; meanwhile the worker is live and not ready."""
    AWAY[how](broker)
    gone = time.monotonic()
    until(lambda: probe(worker, "/ready")[0] == 503, timeout=20)
    while time.monotonic() < gone + seconds:
        assert worker.process.poll() is None, worker.log.read_text()
        live = probe(worker, "/live")
        assert live[0] == 200, live
        time.sleep(0.5)
    ready = probe(worker, "/ready")
    assert any("the broker has not answered for" in why for why in ready[1]["reasons"]), ready
    BACK[how](broker)


def _has_leaders(pipeline: Pipeline) -> bool:
    """Whether the topics can be read again: a broker that was frozen has to register anew."""
    try:
        pipeline.answered()
    except KafkaException:
        return False
    return True


def _is_said_once(worker: RunningWorker) -> None:
    log = worker.log.read_text()
    assert "Traceback" not in log, log
    assert log.count("the broker has not answered for") == 1, log
    assert log.count("the broker answers again") == 1, log
    # What the client says of it until the outage is known as one; and as it finds its way back.
    assert len(log.splitlines()) < 40, log


def _wait_out(tmp_path: Path, how: str, seconds: float, is_short: bool) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        if is_short:
            _shorten(pipeline)
        first = pipeline.produce(number(100 + i) for i in range(20_000))
        with pipeline.worker() as worker:
            until(lambda: is_ready(worker) and worker.accounts()["answered"] > 500)
            _outage(broker, worker, how, seconds)
            until(lambda: _has_leaders(pipeline), timeout=60)
            second = pipeline.produce(number(100_000 + i) for i in range(500))
            pipeline.await_finished(first + second, timeout=120)
            until(lambda: is_ready(worker))
            assert worker.stop() == 0, worker.log.read_text()
        _is_said_once(worker)
        assert_nothing_is_lost(pipeline, first + second)


@pytest.mark.parametrize("how", ["stopped", pytest.param("frozen", marks=pytest.mark.faults)])
def test_a_broker_that_is_away_longer_than_every_timeout_is_waited_for(
    tmp_path: Path, how: str
) -> None:
    _wait_out(tmp_path, how, 20, is_short=True)


@pytest.mark.faults
@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
def test_a_broker_that_is_away_for_two_minutes_is_waited_for(tmp_path: Path, how: str) -> None:
    _wait_out(tmp_path, how, 130, is_short=False)


@pytest.mark.parametrize("how", ["stopped", pytest.param("frozen", marks=pytest.mark.faults)])
def test_a_stop_while_the_broker_is_away_ends_in_time(tmp_path: Path, how: str) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        settings = {**pipeline.settings(), "shutdown_timeout_seconds": 3}
        pipeline.config.write_text(yaml.safe_dump(settings))
        count = pipeline.produce(number(100 + i) for i in range(4000))
        with pipeline.worker() as worker:
            until(lambda: is_ready(worker) and worker.accounts()["answered"] > 500)
            AWAY[how](broker)
            time.sleep(2)
            assert worker.stop() == 0, worker.log.read_text()
        assert "Traceback" not in worker.log.read_text()
        BACK[how](broker)
        until(lambda: _has_leaders(pipeline), timeout=60)
        with pipeline.worker() as worker:
            pipeline.await_finished(count)
            assert worker.stop() == 0
        assert_nothing_is_lost(pipeline, count)
