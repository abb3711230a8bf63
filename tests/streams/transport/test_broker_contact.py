from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.produce import ProduceResponse_v0

from streams.transport.broker_contact import BrokerContact
from streams.transport.client_requests import send_through


class Client:
    """aiokafka's client, as far as requests go; fails on request."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.response: Any = object()
        self.is_reachable = True

    async def send(self, node_id: int, request: Any, *, group: int = 0) -> Any:
        if self.error is not None:
            raise self.error
        return self.response

    async def _metadata_update(self, cluster: Any, topics: Any) -> bool:
        return self.is_reachable


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.contact = BrokerContact(lambda: self.now)
        self.client: Any = Client()
        send_through(self.client, contact=self.contact)


@pytest.fixture
def world() -> World:
    return World()


async def test_nothing_is_known_before_the_first_request(world: World) -> None:
    assert world.contact.silent_seconds() is None
    assert world.contact.idle_seconds() == float("inf")
    assert not world.contact.fails(1)


async def test_a_response_is_noted(world: World) -> None:
    assert await world.client.send(1, "request", group=2) is world.client.response
    world.now += 7
    assert (world.contact.silent_seconds(), world.contact.idle_seconds()) == (7, 7)
    assert not world.contact.fails(1)


async def test_silence_counts_from_the_last_response(world: World) -> None:
    await world.client.send(1, "request")
    world.client.error = KafkaConnectionError("refused")
    world.now += 5
    with pytest.raises(KafkaConnectionError):
        await world.client.send(1, "request")
    assert "refused" in world.contact.last_error
    assert (world.contact.silent_seconds(), world.contact.idle_seconds()) == (5, 0)
    assert world.contact.fails(4)
    assert not world.contact.fails(6)
    world.client.error = None
    await world.client.send(1, "request")
    assert world.contact.last_error == ""
    assert not world.contact.fails(0)


async def test_without_a_response_silence_counts_from_the_first_request(world: World) -> None:
    world.client.is_reachable = False
    assert not await world.client._metadata_update(None, [])
    world.now += 11
    assert world.contact.fails(10)
    world.client.is_reachable = True
    assert await world.client._metadata_update(None, [])
    assert not world.contact.fails(10)


async def test_the_last_error_of_a_full_disk_is_the_broker_s_message(world: World) -> None:
    world.client.response = ProduceResponse_v0([("results", [(3, 56, -1)])])
    await world.client.send(1, "request")
    assert world.contact.last_error == "results 3: KAFKA_STORAGE_ERROR"
    assert world.contact.silent_seconds() == 0
    world.client.response = ProduceResponse_v0([("results", [(3, 0, 7)])])
    await world.client.send(1, "request")
    assert world.contact.last_error == ""
