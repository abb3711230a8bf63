"""A broker that is away for longer than its clients' timeouts: the worker waits, and goes on."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from agents.brokers import BrokerProcess, kafka_broker
from tests.brokers import need_kafka
from tests.integration.running import Pipeline, number, until
from tests.integration.test_faults import assert_nothing_is_lost

pytestmark = pytest.mark.kafka


def _freeze(broker: BrokerProcess) -> None:
    """Stop answering without closing a connection, as an unplugged machine does."""
    assert broker._process is not None
    broker._process.send_signal(signal.SIGSTOP)


def _thaw(broker: BrokerProcess) -> None:
    assert broker._process is not None
    broker._process.send_signal(signal.SIGCONT)


@pytest.mark.faults_long
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_a_broker_that_is_away_for_two_minutes_is_waited_for(tmp_path: Path, how: str) -> None:
    need_kafka()
    away, back = (BrokerProcess.stop, BrokerProcess.start) if how == "stopped" else (_freeze, _thaw)
    with kafka_broker() as broker:
        pipeline = Pipeline(tmp_path, broker.bootstrap_servers, batch_seconds=0.02)
        first = pipeline.produce(number(100 + i) for i in range(20_000))
        with pipeline.worker() as worker:
            until(lambda: len(pipeline.answered()) > 500)
            away(broker)
            gone = time.monotonic()
            while time.monotonic() < gone + 130:
                assert worker.process.poll() is None, worker.log.read_text()
                time.sleep(1)
            back(broker)
            second = pipeline.produce(number(100_000 + i) for i in range(500))
            pipeline.await_finished(first + second, timeout=120)
            assert worker.stop() == 0, worker.log.read_text()
            print(worker.log.read_text())
        assert_nothing_is_lost(pipeline, first + second)
