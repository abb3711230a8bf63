"""A broker that is away for longer than its clients' timeouts: the worker waits and resumes."""

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
from tests.integration.outcomes import assert_nothing_is_lost
from tests.integration.pipelines import Pipeline, number
from tests.integration.workers import RunningWorker
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka

#: What docs/operations.md promises: the longest end beyond `shutdown_timeout_seconds`; and a second
#: for this machine, which runs other tests too.
_LEAVING_SECONDS = 8.0 + 1.0

AWAY: dict[str, Callable[[BrokerProcess], Any]] = {
    "stopped": BrokerProcess.stop,
    "killed": BrokerProcess.kill,
    # Like an unplugged machine: connections stay open and nothing answers.
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
    """Set client timeouts that a short outage exceeds."""
    settings = pipeline.settings()
    settings["kafka"]["socket.timeout.ms"] = 3000
    settings["liveness_timeout_seconds"] = 5
    pipeline.config.write_text(yaml.safe_dump(settings))


def _outage(broker: BrokerProcess, worker: RunningWorker, how: str, seconds: float) -> None:
    """Take the broker away and bring it back; meanwhile the worker is live and not ready."""
    AWAY[how](broker)
    away_since = time.monotonic()
    wait_until("/ready answers 503", lambda: worker.probe("/ready")[0] == 503, timeout=20)
    while time.monotonic() < away_since + seconds:
        assert worker.is_running(), worker.log_text()
        live = worker.probe("/live")
        assert live[0] == 200, live
        time.sleep(0.5)
    ready = worker.probe("/ready")
    assert any("the broker has not answered for" in reason for reason in ready[1]["reasons"]), ready
    BACK[how](broker)


def _has_leaders(pipeline: Pipeline) -> bool:
    """Whether the topics can be read again: a broker that was frozen must register again."""
    try:
        pipeline.answered()
    except KafkaException:
        return False
    return True


def _assert_logged_once(worker: RunningWorker) -> None:
    log = worker.log_text()
    assert "Traceback" not in log, log
    assert log.count("the broker has not answered for") == 1, log
    assert log.count("the broker answers again") == 1, log
    # The rest is the client's own lines before the outage is detected and after it ends.
    assert len(log.splitlines()) < 40, log


def _run_through_outage(tmp_path: Path, how: str, seconds: float, is_short: bool) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        if is_short:
            _shorten(pipeline)
        first = pipeline.produce(number(100 + i) for i in range(20_000))
        with pipeline.worker() as worker:
            worker.await_ready()
            worker.await_answered(500)
            _outage(broker, worker, how, seconds)
            wait_until("the topics have leaders", lambda: _has_leaders(pipeline), timeout=60)
            second = pipeline.produce(number(100_000 + i) for i in range(500))
            pipeline.await_finished(first + second, timeout=120)
            worker.await_ready()
            worker.stop()
        _assert_logged_once(worker)
        assert_nothing_is_lost(pipeline, first + second)


@pytest.mark.parametrize("how", ["stopped", pytest.param("frozen", marks=pytest.mark.faults)])
def test_a_worker_waits_longer_than_every_client_timeout(tmp_path: Path, how: str) -> None:
    _run_through_outage(tmp_path, how, 20, is_short=True)


@pytest.mark.faults
@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
def test_a_worker_waits_two_minutes_for_the_broker(tmp_path: Path, how: str) -> None:
    _run_through_outage(tmp_path, how, 130, is_short=False)


@pytest.mark.parametrize("how", ["stopped", pytest.param("frozen", marks=pytest.mark.faults)])
def test_a_stop_ends_in_time_while_the_broker_is_away(tmp_path: Path, how: str) -> None:
    need_kafka()
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        settings = {**pipeline.settings(), "shutdown_timeout_seconds": 3}
        pipeline.config.write_text(yaml.safe_dump(settings))
        count = pipeline.produce(number(100 + i) for i in range(4000))
        with pipeline.worker() as worker:
            worker.await_ready()
            worker.await_answered(500)
            AWAY[how](broker)
            time.sleep(2)
            began = time.monotonic()
            worker.stop()
            assert time.monotonic() - began < 3 + _LEAVING_SECONDS
        assert "Traceback" not in worker.log_text()
        BACK[how](broker)
        wait_until("the topics have leaders", lambda: _has_leaders(pipeline), timeout=60)
        with pipeline.worker() as worker:
            pipeline.await_finished(count)
            worker.stop()
        assert_nothing_is_lost(pipeline, count)
