"""Lost records are said in one line and counted for each agent that reads the topic."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from streams.health.lost_records import LostRecords
from streams.health.metrics import Metrics
from streams.kafka.position_reset import reset_position
from streams.records import TopicPartition

TP = TopicPartition("numbers", 3)
OLD, NEW = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"


class World:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.lost = LostRecords(Metrics(self.registry), {"numbers": ["double", "halve"]})

    def count(self, reason: str, agent: str = "double") -> float | None:
        labels = {"agent": agent, "topic": "numbers", "reason": reason}
        return self.registry.get_sample_value("penstock_records_lost_total", labels)


@pytest.fixture
def world() -> World:
    return World()


def test_the_counters_are_there_from_the_start(world: World) -> None:
    """An alert on an increase needs the zero before it."""
    assert world.count("removed") == world.count("truncated") == world.count("topic_deleted") == 0


def test_removed_records(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reset = reset_position(3_000, 15_000, 20_000, "earliest")
    assert reset is not None
    world.lost.position_reset(TP, reset, "earliest")
    assert world.count("removed") == world.count("removed", "halve") == 12_000
    (line,) = caplog.messages
    assert line.startswith("numbers:3: offsets 3000 to 14999 (12,000 records at most) were removed")
    assert line.endswith("reading goes on at offset 15000 (auto.offset.reset: earliest)")


def test_a_log_that_was_cut(world: World, caplog: pytest.LogCaptureFixture) -> None:
    reset = reset_position(5_000, 0, 1_000, "earliest")
    assert reset is not None
    world.lost.position_reset(TP, reset, "earliest")
    assert world.count("truncated") == 4_000
    (line,) = caplog.messages
    assert "offset 5000 was to be read next" in line
    assert "the topic ends at offset 1000" in line
    assert "goes on at offset 0" in line


def test_a_topic_made_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.lost.topic_made_again("numbers", (OLD, NEW), 70, 30)
    assert world.count("topic_deleted") == 70
    (line,) = caplog.messages
    assert f"(topic id {OLD}, now {NEW})" in line
    assert "up to 70 of its records were never read, 30 were read" in line
    world.lost.unfinished("numbers", 20)
    assert world.count("topic_deleted") == 90


def test_a_topic_without_known_records_is_not_said_to_be_answered_in_full(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """It may have existed for seconds only, and no worker has read from it."""
    world.lost.topic_made_again("numbers", (OLD, NEW))
    (line,) = caplog.messages
    assert "those that came in its last seconds, if any, are not known" in line


def test_a_topic_that_is_gone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.lost.topic_deleted("numbers", 5, 0)
    assert world.count("topic_deleted") == 5
    assert "input topic numbers does not exist" in caplog.text


def test_a_topic_that_is_written_and_missing(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    inputs = {"a": ["first"], "b": ["second"]}
    lost = LostRecords(Metrics(registry), inputs, {"b": "output of agent first"})
    lost.add_output("g.second.state", "state of agent second")
    assert lost.outputs == {"g.second.state"}, "what another agent reads is an input"
    missing = {"topic": "g.second.state"}
    values = [registry.get_sample_value("penstock_topic_missing", missing)]
    lost.topic_deleted("g.second.state", 0, 0)
    values.append(registry.get_sample_value("penstock_topic_missing", missing))
    lost.topic_is_back("g.second.state")
    values.append(registry.get_sample_value("penstock_topic_missing", missing))
    assert values == [0, 1, 0]
    first, second = caplog.messages
    assert first.startswith("output topic g.second.state does not exist (state of agent second): ")
    assert second == "topic g.second.state exists again"
