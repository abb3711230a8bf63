"""What a worker says when partitions are added to an input."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from streams.assignment import AssignedPartitions
from streams.health.added_partitions import AddedPartitions
from streams.health.metrics import Metrics
from streams.records import TopicPartition


class World:
    def __init__(self, *learning: str) -> None:
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry)
        assigned = AssignedPartitions({}, metrics)
        assigned.learning_topics = frozenset(learning)
        self.added = AddedPartitions(metrics, {"in": ["score"], "frames": ["detect"]}, assigned)

    def count(self, agent: str, topic: str) -> float | None:
        labels = {"agent": agent, "topic": topic, "reason": "partitions_added"}
        return self.registry.get_sample_value("penstock_state_mismatch_total", labels)


def test_growth_is_said_once_with_both_counts(caplog: pytest.LogCaptureFixture) -> None:
    world = World("in")
    for count in (4, 4, 8, 8):
        world.added.saw("in", count)
    (line,) = caplog.messages
    assert "input topic in has 8 partitions now, 4 before" in line
    assert "producers send most keys to another partition" in line
    assert "what the models of score have learned about a key stays" in line
    assert "`penstock state rekey`" in line
    assert world.count("score", "in") == 4


def test_a_model_that_does_not_learn_has_no_state_to_move(caplog: pytest.LogCaptureFixture) -> None:
    world = World("in")
    world.added.saw("frames", 1)
    world.added.saw("frames", 2)
    assert "input topic frames has 2 partitions now, 1 before" in caplog.text
    assert "learned" not in caplog.text
    assert world.count("detect", "frames") is None


def test_a_topic_that_was_deleted_may_come_back_with_any_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("in")
    world.added.saw("in", 4)
    world.added.forget("in")
    world.added.saw("in", 8)
    assert caplog.messages == []


def test_partitions_that_were_added_meanwhile_are_reported_at_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World("in")
    fresh = [TopicPartition("in", p) for p in (5, 4)]
    world.added.starts("in", fresh, began_with=4)
    world.added.starts("in", fresh, began_with=4)
    (line,) = caplog.messages
    assert "partitions 4, 5 have no committed offset and were added since the group began" in line
    world.added.saw("in", 6)
    world.added.saw("in", 8)
    world.added.starts("in", [TopicPartition("in", 7)], began_with=4)
    assert len(caplog.messages) == 2  # the growth says it
