"""Requests pass through the layers of a client in order, whoever sends them."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.transport.broker_contact import BrokerContact
from streams.transport.client_requests import Send, send_through


class Client:
    """aiokafka's client, as far as requests go: it answers with what it was sent."""

    async def send(self, node_id: int, request: Any, *, group: int = 0) -> Any:
        return [f"{request} to node {node_id} of group {group}"]

    async def _metadata_update(self, cluster: Any, topics: Any) -> bool:
        return True


class Layer:
    """Writes its name into the request and the response; refuses the request "refused"."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(self, send: Send, node_id: int, request: Any, **kwargs: Any) -> Any:
        if request == "refused":
            raise KafkaConnectionError("refused by a layer")
        return [*await send(node_id, f"{request} {self.name}", **kwargs), self.name]


async def test_the_first_layer_is_the_outermost() -> None:
    client: Any = Client()
    contact = BrokerContact()
    send_through(client, Layer("first"), Layer("second"), contact=contact)
    response = await client.send(3, "asked", group=1)
    assert response == ["asked first second to node 3 of group 1", "second", "first"]
    assert contact.answered is not None


async def test_a_request_that_a_layer_refuses_is_not_noted_as_sent() -> None:
    client: Any = Client()
    contact = BrokerContact()
    send_through(client, Layer("only"), contact=contact)
    with pytest.raises(KafkaConnectionError):
        await client.send(3, "refused")
    assert contact.first_asked is None


async def test_metadata_updates_are_noted_too() -> None:
    client: Any = Client()
    contact = BrokerContact()
    send_through(client, contact=contact)
    assert await client._metadata_update(None, [])
    assert contact.answered is not None
