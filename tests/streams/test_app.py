"""The app's queues keep what was handed out, whatever Faust does about its flow."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from streams.app import make_app
from streams.metrics import Metrics
from streams.settings import AgentSettings, PipelineSettings


async def test_resuming_the_flow_twice_loses_nothing() -> None:
    settings = PipelineSettings(
        kafka={"bootstrap.servers": "127.0.0.1:1"},
        agents={"a": AgentSettings(input="in", output="out", model="m")},
    )
    app = make_app(settings, Metrics(CollectorRegistry()))
    queue = app.FlowControlQueue(maxsize=10, clear_on_resume=True)  # as Faust's channels ask
    app.flow_control.resume()
    queue.put_nowait("a record batch")
    app.flow_control.resume()
    assert queue.qsize() == 1
