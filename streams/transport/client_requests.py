"""The one place where the requests of an aiokafka client are observed and changed.

Each request passes through layers, in the order in which they are given, before the client sends
it. `BrokerContact` is the last one: what another layer holds back was not sent to a broker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeAlias

from streams.transport.broker_contact import BrokerContact

#: As `AIOKafkaClient.send`: node id and request; `group` chooses the connection.
Send: TypeAlias = Callable[..., Awaitable[Any]]


class RequestLayer(Protocol):
    """Observes or changes the requests of one client."""

    async def send(self, send: Send, node_id: Any, request: Any, **kwargs: Any) -> Any:
        """Pass a request on with `send`, and return its response."""


def send_through(client: Any, *layers: RequestLayer, contact: BrokerContact) -> None:
    """Pass every request of a client through layers from now on.

    Args:
        client: an `aiokafka.client.AIOKafkaClient`.
        layers: the outermost first.
        contact: notes the requests that the layers pass on, and the updates of the metadata, which
            aiokafka sends without `send`.
    """
    for layer in reversed((*layers, contact)):
        client.send = partial(layer.send, client.send)
    client._metadata_update = partial(contact.update_metadata, client._metadata_update)
