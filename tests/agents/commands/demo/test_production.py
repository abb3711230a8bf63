import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.commands.demo import production
from agents.commands.demo.inputs import packaged_inputs
from agents.commands.demo.production import Feeder
from schemas import Event
from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.agents.commands.demo.worlds import run_settings


def test_a_feeder_waits_for_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production, "MAX_UNFINISHED_SECONDS", 0.1)
    events: list[Event] = []
    source = packaged_inputs().by_kind["behavior"]
    with run_settings(tmp_path) as settings:
        agent = settings.agents["cluster_behavior"]
        create_topics(settings.kafka, {agent.inputs[0]: TopicSettings()})
        feeder = Feeder(source, agent, settings.kafka, "run", events.append)
        feeder.start()
        most = int(0.1 * source.rate) + 1
        _wait(lambda: feeder.deliveries.num_sent == most)
        time.sleep(0.3)
        assert feeder.deliveries.num_sent == most, "the agent has finished nothing"
        feeder.num_finished = 10
        _wait(lambda: feeder.deliveries.num_sent == most + 10)
        feeder.stop()
        feeder.join(10)
    assert feeder.deliveries.num_delivered == feeder.deliveries.num_sent
    assert feeder.failure == ""
    assert [event.event_id for event in events[:2]] == ["run-0", "run-1"]


def _wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
