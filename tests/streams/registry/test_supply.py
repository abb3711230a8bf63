from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from schemas.errors import UnknownSchemaError
from schemas.registry.avro import AvroValues
from schemas.registry.framing import SchemaKey
from schemas.registry.registered import RegisteredSchema
from streams.offsets import OffsetTracker
from streams.records import RecordBatch, TopicPartition
from streams.registry.client import RegistryClient
from streams.registry.errors import RegistryError, RegistryLoginError, RegistryUnreachableError
from streams.registry.supply import SchemaSupply

TP = TopicPartition("t", 0)
INT = RegisteredSchema("AVRO", '"int"')


class FakeClient:
    """Answers with schemas by id after some errors."""

    def __init__(self, *errors: RegistryError) -> None:
        self._errors = list(errors)
        self.schemas: dict[SchemaKey, RegisteredSchema] = {7: INT}
        self.asked: list[SchemaKey] = []

    def schema(self, key: SchemaKey) -> RegisteredSchema | None:
        self.asked.append(key)
        if self._errors:
            raise self._errors.pop(0)
        return self.schemas.get(key)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


class World:
    """A supply, its client and its codec."""

    def __init__(self, client: FakeClient, executor: ThreadPoolExecutor) -> None:
        self.client, self.codec = client, AvroValues()
        self.now, self.refused = 0.0, list[BaseException]()
        self.tracker, self._next = OffsetTracker(), 0

        async def refuse(error: BaseException) -> None:
            self.refused.append(error)

        self.supply = SchemaSupply(
            "a", cast(RegistryClient, client), self.codec, executor, refuse, lambda: self.now
        )

    def _offsets(self, count: int) -> range:
        self._next += count
        return range(self._next - count, self._next)

    def batch(self, *ids: int) -> RecordBatch:
        values: list[Any] = [b"\0" + i.to_bytes(4, "big") + b"\4" for i in ids]
        return RecordBatch(
            tp=TP, span=self.tracker.start(TP, self._offsets(len(ids)), 6 * len(ids)),
            timestamps_ms=[1] * len(ids), keys=[None] * len(ids), values=values,
            headers=[()] * len(ids), arrived=0.0,
        )  # fmt: skip


async def test_each_schema_is_fetched_once(executor: ThreadPoolExecutor) -> None:
    world = World(FakeClient(), executor)
    for _ in range(2):
        batch = world.batch(7, 8, 7)
        assert await world.supply.fetched([batch], lambda: False) == [batch]
    assert world.client.asked == [7, 8]
    assert world.codec.read(b"\0\0\0\0\7\4", ()) == 2
    with pytest.raises(UnknownSchemaError):
        world.codec.read(b"\0\0\0\0\x08\4", ())


async def test_an_unknown_id_is_asked_for_again_later(executor: ThreadPoolExecutor) -> None:
    world = World(FakeClient(), executor)
    await world.supply.fetched([world.batch(8)], lambda: False)
    world.client.schemas[8] = INT
    world.now = 31.0
    await world.supply.fetched([world.batch(8)], lambda: False)
    assert world.codec.read(b"\0\0\0\0\x08\4", ()) == 2


async def test_a_registry_that_is_away_is_waited_for_with_one_line(
    executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    away = [RegistryUnreachableError("the registry does not answer: refused") for _ in range(2)]
    world = World(FakeClient(*away), executor)
    problems = []

    def is_stopping() -> bool:
        problems.append(world.supply.problem)
        return False

    with caplog.at_level(logging.WARNING):
        batch = world.batch(7)
        assert await world.supply.fetched([batch], is_stopping) == [batch]
    assert problems == ["", *["the registry does not answer: refused, for 0 s"] * 2]
    assert world.supply.problem == ""
    first, last = (record.getMessage() for record in caplog.records)
    assert "waiting for it; nothing is lost" in first
    assert "answers again" in last


async def test_a_topic_whose_schemas_are_there_goes_on_and_ends_no_other_wait(
    executor: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(FakeClient(*[RegistryUnreachableError("away")] * 9), executor)
    world.codec.learn(9, INT)
    is_stopping = False
    waiting = asyncio.create_task(world.supply.fetched([world.batch(7)], lambda: is_stopping))
    while not world.supply.problem:
        await asyncio.sleep(0.01)
    batch = world.batch(9)
    assert await world.supply.fetched([batch], lambda: False) == [batch]
    assert world.supply.problem
    assert "answers again" not in caplog.text
    is_stopping = True
    assert await waiting == []
    assert not world.supply.problem


async def test_the_wait_ends_when_the_worker_stops(executor: ThreadPoolExecutor) -> None:
    world = World(FakeClient(*[RegistryUnreachableError("away")] * 9), executor)
    assert await world.supply.fetched([world.batch(7)], lambda: bool(world.client.asked)) == []


async def test_the_wait_ends_when_the_partition_is_given_up(executor: ThreadPoolExecutor) -> None:
    world = World(FakeClient(*[RegistryUnreachableError("away")] * 9), executor)

    def is_stopping() -> bool:
        world.tracker.give_up({TP})
        return False

    batch = world.batch(7)
    assert await world.supply.fetched([batch], is_stopping) == []


async def test_a_refused_login_ends_the_worker(executor: ThreadPoolExecutor) -> None:
    error = RegistryLoginError("no")
    world = World(FakeClient(error), executor)
    assert await world.supply.fetched([world.batch(7)], lambda: False) == []
    assert world.refused == [error]
