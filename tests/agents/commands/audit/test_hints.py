"""Where missing records are, and which other pipeline may have answered them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agents.commands.audit import Problem
from agents.commands.audit.hints import _topics_to_search
from agents.commands.broker import embedded_broker
from tests.agents.commands.hand_made import HandMade


@pytest.fixture
def fresh_bootstrap() -> Iterator[str]:
    """The address of a broker without topics of other tests: not all would be searched."""
    with embedded_broker() as broker:
        yield broker.bootstrap_servers


def test_results_of_another_pipeline_for_missing_records_are_found(fresh_bootstrap: str) -> None:
    pipeline = HandMade(fresh_bootstrap)
    other = HandMade(fresh_bootstrap)
    for partition in range(4):
        pipeline.records(10, partition=partition)
        pipeline.commit(10, partition=partition)
    for offset in range(10):
        pipeline.result(offset, partition=0)
        pipeline.result(offset, partition=1)
        other.result(offset, topic=pipeline.input, partition=2)
        pipeline.result(offset, partition=3, agent="rival")
    other.flush()
    found = pipeline.audit()
    assert found.problems == {Problem.MISSING: 20}
    expected = [
        f"{other.agent.output} holds results of an agent 'score' for records that have none here, "
        "in partition 2: another pipeline answers this input. If it uses the same group.id "
        f"({pipeline.name}), the two share the records: give each its own",
        f"{pipeline.agent.output} holds results of an agent 'rival' for records "
        "that have none here, in partition 3",
    ]
    for start in expected:
        assert any(note.startswith(start) for note in found.notes), found.notes


def test_not_more_than_500_partitions_are_searched() -> None:
    topics = {"a": 100, "__consumer_offsets": 50, "b": 450, "c": 400, "d": 1}
    assert _topics_to_search(topics, "x") == ({"a": 100, "c": 400}, 2)
    # The agent's own output comes first.
    assert _topics_to_search(topics, "b") == ({"b": 450, "d": 1}, 2)
