"""Fetches carry topic ids; offsets and topics that are gone are taken out of the response."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest

from streams.records import TopicPartition
from streams.transport import fetch_guard
from streams.transport.fetch_guard import FetchGuard
from streams.transport.leader_epochs import LeaderEpochs
from streams.transport.topic_requests import FetchById, FetchedPartition

ID = "AAAAAAAAAAAAAAAAAAAAAQ"
NONE, OUT_OF_RANGE, UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID = 0, 1, 3, 100
NEXT = 7


def fetched(partition: int, error: int = NONE) -> FetchedPartition:
    return FetchedPartition(partition, error, 9, 9, 0, None, -1, b"")


class World:
    """A broker with a range of fetch versions, which answers each partition with an error code."""

    def __init__(self, ids: Mapping[str, str], highest_version: int = 16) -> None:
        self.ids = ids
        self.asked = list(ids)
        self.errors = dict.fromkeys(range(3), NONE)
        self.diverging: dict[int, int] = {}
        self.sent: list[Any] = []
        self.out_of_range: dict[TopicPartition, int] = {}
        self.diverged: dict[TopicPartition, tuple[int, int]] = {}
        self.num_suspicions = 0
        self.fails = False
        connection = SimpleNamespace(_versions={1: (4, highest_version)})
        self.client = SimpleNamespace(send=self._send, _conns={(1, 0): connection}, ready=_ready)
        guard = FetchGuard(
            SimpleNamespace(  # type: ignore[arg-type]
                pin=self._pin, id_of=lambda topic: ids.get(topic, ""), is_pinned=ids.__contains__
            ),
            LeaderEpochs(),
            on_out_of_range=self._on_out_of_range,
            on_diverged=self._on_diverged,
            on_other_topic=self._suspect,
            is_never_held=lambda topic: topic == "changelog",
        )
        guard.guard(self.client)
        guard.release()
        self.guard = guard

    async def _pin(self, topics: list[str]) -> None:
        pass

    async def _send(self, node: int, request: Any, **kwargs: Any) -> Any:
        self.sent.append(request)
        partitions = [fetched(partition, error) for partition, error in self.errors.items()]
        asked = request._topics if isinstance(request, FetchById) else ()
        by_id = [(topic_id, partitions) for topic_id, _ in asked]
        diverging = {ID: self.diverging} if self.diverging else {}
        return SimpleNamespace(
            topics=[("numbers", partitions)], by_id=by_id, diverging=diverging, API_VERSION=11
        )

    async def _on_out_of_range(self, gone: Mapping[TopicPartition, int]) -> None:
        if self.fails:
            raise KafkaConnectionError
        self.out_of_range |= gone

    async def _on_diverged(self, gone: Mapping[TopicPartition, tuple[int, int]]) -> None:
        self.diverged |= gone

    def _suspect(self) -> None:
        self.num_suspicions += 1

    async def fetch(self) -> dict[str, list[int]]:
        partitions = [(partition, NEXT, 100) for partition in self.errors]
        topics = [(topic, partitions) for topic in self.asked]
        response = await self.client.send(1, FetchRequest(500, 1, 1000, 0, topics))
        return {topic: [p[0] for p in partitions] for topic, partitions in response.topics}


async def _ready(node: int) -> bool:
    return True


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_guard, "_REFUSED_SECONDS", 0.0)


async def test_a_fetch_names_topics_by_id() -> None:
    world = World({"numbers": ID})
    assert await world.fetch() == {"numbers": [0, 1, 2]}
    assert isinstance(world.sent[0], FetchById)


@pytest.mark.parametrize(("ids", "highest"), [({"numbers": ""}, 16), ({"numbers": ID}, 12)])
async def test_a_broker_without_ids_is_asked_by_name(ids: dict[str, str], highest: int) -> None:
    world = World(ids, highest)
    assert await world.fetch() == {"numbers": [0, 1, 2]}
    assert isinstance(world.sent[0], FetchRequest)


async def test_a_topic_that_was_absent_is_left_out() -> None:
    """By its name it could be read once it exists again, at an offset of the old one."""
    world = World({"numbers": ID})
    world.asked = ["numbers", "absent"]
    assert await world.fetch() == {"numbers": [0, 1, 2], "absent": []}
    assert world.num_suspicions == 1
    world.asked = ["absent"]
    assert await world.fetch() == {"absent": []}
    assert len(world.sent) == 1


@pytest.mark.parametrize("error", [UNKNOWN_TOPIC, UNKNOWN_TOPIC_ID])
async def test_a_topic_that_the_broker_does_not_know_is_suspected(error: int) -> None:
    world = World({"numbers": ID})
    world.errors[1] = error
    assert await world.fetch() == {"numbers": [0, 2]}
    assert world.num_suspicions == 1


async def test_an_offset_that_is_gone_is_reset_here() -> None:
    """aiokafka would reset it without a word."""
    world = World({"numbers": ID})
    world.errors[2] = OUT_OF_RANGE
    assert await world.fetch() == {"numbers": [0, 1]}
    assert world.out_of_range == {TopicPartition("numbers", 2): NEXT}
    world.fails = True  # no broker: it is fetched, and reset, again
    assert await world.fetch() == {"numbers": [0, 1]}


async def test_a_log_that_was_cut_and_written_anew() -> None:
    world = World({"numbers": ID})
    world.diverging = {1: 5}
    await world.fetch()
    assert world.diverged == {TopicPartition("numbers", 1): (NEXT, 5)}


async def test_fetches_wait_until_positions_are_known() -> None:
    world = World({"numbers": ID})
    world.guard.hold()
    waiting = asyncio.ensure_future(world.fetch())
    await asyncio.sleep(0.01)
    assert not world.sent
    world.guard.release()
    assert await waiting == {"numbers": [0, 1, 2]}


async def test_changelogs_of_tables_are_read_first() -> None:
    world = World({"numbers": ID, "changelog": ID[::-1]})
    world.guard.hold()
    await world.fetch()
    (sent,) = world.sent
    assert [topic_id for topic_id, _ in sent._topics] == [ID[::-1]]


async def test_other_requests_pass(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    world = World({"numbers": ID})
    request = object()
    await world.client.send(1, request)
    assert world.sent == [request]
