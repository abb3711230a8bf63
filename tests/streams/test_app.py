"""The app's queues keep what was handed out, whatever Faust does; it makes no needless folder."""

from __future__ import annotations

from pathlib import Path

import aiokafka.conn
import pytest
from aiokafka.conn import AIOKafkaConnection
from prometheus_client import CollectorRegistry

from streams.app import App, make_app
from streams.health.metrics import Metrics
from streams.settings import AgentSettings, PipelineSettings
from streams.transport.connection import KafkaConnection


def make() -> App:
    settings = PipelineSettings(
        kafka={"bootstrap.servers": "127.0.0.1:1"},
        agents={"a": AgentSettings(input="in", output="out", model="m")},
    )

    async def fail(reason: object) -> None:
        raise AssertionError(reason)

    return make_app(settings, Metrics(CollectorRegistry()), fail, fail)


async def test_resuming_the_flow_twice_loses_nothing() -> None:
    app = make()
    queue = app.FlowControlQueue(maxsize=10, clear_on_resume=True)  # as Faust's channels ask
    app.flow_control.resume()
    queue.put_nowait("a record batch")
    app.flow_control.resume()
    assert queue.qsize() == 1


async def test_no_folder_is_left_where_a_worker_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make()
    app.Table("counts", default=int, partitions=4)  # a stock agent's, in memory
    await app.on_first_start()
    assert list(tmp_path.iterdir()) == []


async def test_a_table_on_disk_has_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make()
    app.conf.store = "rocksdb://"
    app.Table("counts", default=int, partitions=4)
    await app.on_first_start()
    assert [folder.name for folder in tmp_path.iterdir()] == ["penstock-data"]


async def test_resuming_after_a_rebalance_waits_for_a_broker_however_long() -> None:
    """After this time Faust would take its recovery for stopped, and never resume."""
    assert make().conf.broker_request_timeout >= 24 * 3600


async def test_the_transport_mends_aiokafka_s_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka.conn, "AIOKafkaConnection", AIOKafkaConnection)
    assert make().transport is not None
    assert aiokafka.conn.AIOKafkaConnection is KafkaConnection
