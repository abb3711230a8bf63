"""Results wait while others may have a worker's partitions."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest

from streams.transport.group_session import GroupSession

_UNKNOWN_MEMBER, _REBALANCING, _FENCED = 25, 27, 82


class World:
    """A membership with a session of 10 s, on a client that answers with an error code."""

    def __init__(self) -> None:
        self.now = 100.0
        self.error_code: int | Exception = 0
        self.seconds_to_answer = 0.0
        self.session = GroupSession(10.0, lambda: self.now)
        self.client: Any = SimpleNamespace(send=partial(self.session.send, self._answer))

    async def _answer(self, node_id: int, request: Any, *, group: int = 0) -> Any:
        self.now += self.seconds_to_answer
        if isinstance(self.error_code, Exception):
            raise self.error_code
        return SimpleNamespace(error_code=self.error_code)

    async def send(self, request_type: Any, error_code: int | Exception = 0) -> None:
        self.error_code = error_code
        await self.client.send(1, request_type.__new__(request_type), group=1)


@pytest.fixture
def world() -> World:
    return World()


async def test_before_the_first_heartbeat_nothing_is_in_doubt(world: World) -> None:
    world.now += 1000
    assert not world.session.is_doubtful()


@pytest.mark.parametrize("error_code", [0, _REBALANCING])
async def test_after_a_gap_results_wait_for_a_heartbeat(world: World, error_code: int) -> None:
    await world.send(HeartbeatRequest)
    world.now += 9
    assert not world.session.is_doubtful()
    world.now += 2
    assert world.session.is_doubtful()
    waiting = asyncio.ensure_future(world.session.confirm())
    await world.send(FetchRequest)  # which says nothing about the membership
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await world.send(HeartbeatRequest, error_code)
    await asyncio.wait_for(waiting, 5)


async def test_an_answer_that_lay_there_during_the_gap_says_nothing(world: World) -> None:
    await world.send(HeartbeatRequest)
    world.seconds_to_answer = 60
    await world.send(HeartbeatRequest)
    assert world.session.is_doubtful()


async def test_a_coordinator_that_does_not_answer_holds_nothing_back(world: World) -> None:
    await world.send(HeartbeatRequest)
    world.now += 60
    with pytest.raises(RequestTimedOutError):
        await world.send(HeartbeatRequest, RequestTimedOutError())
    assert not world.session.is_doubtful()


@pytest.mark.parametrize("error_code", [_UNKNOWN_MEMBER, _FENCED])
async def test_an_expelled_worker_sends_nothing_until_it_has_joined(
    world: World, error_code: int
) -> None:
    await world.send(HeartbeatRequest)
    await world.send(HeartbeatRequest, error_code)
    assert world.session.is_lost
    await world.send(SyncGroupRequest, _REBALANCING)
    assert world.session.is_doubtful()
    await world.send(SyncGroupRequest)
    assert not world.session.is_doubtful()
