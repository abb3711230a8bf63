"""A missing topic is logged once, makes the worker unready, and is waited for."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from prometheus_client import CollectorRegistry

from streams.health.metrics import Metrics
from streams.health.written_topics import WrittenTopics, written_topics
from streams.settings import AgentSettings, PipelineSettings

MISSING, HIDDEN, NO_LEADER = 3, 29, 5


class Response(NamedTuple):
    topics: list[tuple[int, str, bool, list[int]]]


class World:
    """A watch of one output topic, and a broker that answers as `code` and `partitions` say."""

    def __init__(self) -> None:
        self.code, self.partitions, self.time = 0, 4, 100.0
        self.num_changes = 0
        self.fewer: list[tuple[str, int, int]] = []
        self.asked: list[str] = []
        self.registry = CollectorRegistry()
        self.watch = WrittenTopics(
            {"out": "output of agent z"},
            Metrics(self.registry),
            client=lambda: self,
            on_change=self._on_change,
            on_fewer_partitions=self._on_fewer,
            clock=lambda: self.time,
        )

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: Any) -> Response:
        self.asked = request._topics
        partitions = [] if self.code else list(range(self.partitions))
        return Response([(self.code, topic, False, partitions) for topic in self.asked])

    async def _on_change(self) -> None:
        self.num_changes += 1

    async def _on_fewer(self, topic: str, before: int, now: int) -> None:
        self.fewer.append((topic, before, now))

    async def check(self, code: int, times: int = 1) -> list[str]:
        self.code = code
        for _ in range(times):
            self.time += 2
            await self.watch.check()
        return self.watch.reasons()

    def missing(self) -> float | None:
        return self.registry.get_sample_value("penstock_topic_missing", {"topic": "out"})


async def test_a_topic_is_missing_after_two_answers_and_back_after_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    assert await world.check(0) == []
    assert await world.check(MISSING) == []
    reason = "the broker has no topic out (output of agent z)"
    assert await world.check(MISSING, times=5) == [reason]
    assert (world.missing(), world.num_changes) == (1, 1)
    assert await world.check(0, times=3) == []
    assert (world.missing(), world.num_changes) == (0, 2)
    lines = [record.getMessage() for record in caplog.records]
    assert [line[: len(reason)] for line in lines] == [
        reason, "topic out is back, after about 10 s"[: len(reason)],
    ]  # fmt: skip


async def test_a_hidden_topic_counts_as_missing_and_one_without_a_leader_does_not() -> None:
    world = World()
    assert await world.check(NO_LEADER, times=3) == []
    assert await world.check(HIDDEN, times=2) == ["the broker has no topic out (output of agent z)"]


async def test_a_topic_that_comes_back_smaller_is_reported() -> None:
    world = World()
    await world.check(0)
    await world.check(MISSING, times=2)
    world.partitions = 8
    await world.check(0)
    world.partitions = 1
    await world.check(0, times=2)
    assert world.fewer == [("out", 8, 1)]


async def test_nothing_is_asked_before_the_client_has_started() -> None:
    world = World()
    world.watch._client = lambda: None
    assert await world.check(MISSING, times=3) == []
    assert world.asked == []


async def test_an_added_topic_is_asked_for_too() -> None:
    world = World()
    world.watch.add("g.z.state", "state of agent z")
    await world.check(0)
    assert world.asked == ["g.z.state", "out"]


def test_every_topic_that_is_written_has_a_role() -> None:
    agent = AgentSettings(input=["a", "b"], output="c", updates="d", model="m")
    assert written_topics(PipelineSettings(agents={"z": agent})) == {
        "c": "output of agent z",
        "d": "updates of agent z",
        "a.dlq": "dead letters of agent z",
        "b.dlq": "dead letters of agent z",
    }
