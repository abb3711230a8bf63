"""The app is complete after construction, keeps queued batches, and stops after a failure."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import aiokafka.conn
import pytest
from aiokafka.conn import AIOKafkaConnection
from prometheus_client import CollectorRegistry

from streams.app import App
from streams.exactly_once.stable_offsets import StableOffsets
from streams.health.metrics import Metrics
from streams.settings import AgentSettings, PipelineSettings
from streams.transport.connection import KafkaConnection


def make(guarantee: Any = "at_least_once", **callbacks: Any) -> App:
    settings = PipelineSettings(
        kafka={"bootstrap.servers": "127.0.0.1:1"},
        agents={"a": AgentSettings(input="in", output="out", model="m")},
        guarantee=guarantee,
    )

    async def fail(reason: str) -> None:
        raise AssertionError(reason)

    return App(settings, Metrics(CollectorRegistry()), on_hang=fail, **callbacks)


async def test_a_queue_keeps_its_batches_when_the_flow_resumes_twice() -> None:
    app = make()
    queue = app.FlowControlQueue(maxsize=10, clear_on_resume=True)  # as Faust's channels ask
    app.flow_control.resume()
    queue.put_nowait("a record batch")
    app.flow_control.resume()
    assert queue.qsize() == 1


async def test_a_worker_without_tables_on_disk_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make()
    app.Table("counts", default=int, partitions=4)  # of a plain Faust agent, in memory
    await app.on_first_start()
    assert list(tmp_path.iterdir()) == []


async def test_a_table_on_disk_gets_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make()
    app.conf.store = "rocksdb://"
    app.Table("counts", default=int, partitions=4)
    await app.on_first_start()
    assert [folder.name for folder in tmp_path.iterdir()] == ["penstock-data"]


async def test_a_rebalance_waits_a_day_for_the_broker() -> None:
    """After this time Faust considers its recovery stopped, and never resumes."""
    assert make().conf.broker_request_timeout >= 24 * 3600


async def test_the_transport_replaces_aiokafka_s_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiokafka.conn, "AIOKafkaConnection", AIOKafkaConnection)
    assert make().transport is not None
    assert aiokafka.conn.AIOKafkaConnection is KafkaConnection


@pytest.fixture
def signals() -> Any:
    """Collect the SIGTERM signals that this process receives."""
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, before)


async def test_a_failure_stops_the_worker_once_without_waiting_for_records(
    signals: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    app = make()
    first = RuntimeError("the broker refuses the output")
    await app.stop_for(first)
    await app.stop_for(RuntimeError("another one"))
    assert (app.failure, app.drain_seconds, signals) == (first, 0, [signal.SIGTERM])
    assert "the worker ends: the broker refuses the output" in caplog.text
    assert "another one" not in caplog.text


async def test_failed_transactions_stop_the_worker(signals: list[int]) -> None:
    app = make("exactly_once")
    assert app.exactly_once is not None
    await app.exactly_once.on_failure(RuntimeError("fenced"))
    assert signals == [signal.SIGTERM]
    assert make().exactly_once is None


async def test_an_app_that_waits_for_committed_offsets_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StableOffsets, "problem", lambda self: f"waiting in {self._group_id}")
    app = make("exactly_once")
    assert f"waiting in {app.conf.id}" in app.health.ready().reasons


async def test_an_app_that_begins_to_stop_calls_back_and_is_not_ready() -> None:
    stopping: list[App] = []
    app = make(on_stopping=stopping.append)
    assert app.seconds_to_stop() is None
    await app.on_stop()
    assert stopping == [app]
    assert "the worker is stopping" in app.health.ready().reasons
    assert 0 < (app.seconds_to_stop() or 0) <= app.drain_seconds


async def test_faust_declares_no_topic_of_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may declare those of a stock agent: its table, its replies."""
    declared: list[str] = []

    async def create(self: Any, owner: Any, client: Any, topic: str, *settings: int) -> None:
        declared.append(topic)

    monkeypatch.setattr("faust.transport.drivers.aiokafka.Transport._create_topic", create)
    app = make()
    for topic in ("in", "out", "in.dlq", "counts-changelog"):
        await app.transport._create_topic(None, None, topic, 1, 1)
    assert declared == ["counts-changelog"]
