"""What waits in the Kafka client is limited; the requests are aiokafka's own."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.records import TopicPartition
from streams.transport.fetch_budget import FetchBudget

MB = 1_000_000


class Client:
    """Notes what is sent; answers with the response that it is given."""

    def __init__(self, max_bytes: int, num_partitions: int = 4, **waiting: int) -> None:
        self.waiting = {TopicPartition("in", int(p[1:])): size for p, size in waiting.items()}
        self.budget = FetchBudget(max_bytes, lambda: self.waiting, lambda: num_partitions)
        self.sent: list[Any] = []

    async def transmit(self, node_id: Any, request: Any, **kwargs: Any) -> str:
        self.sent.append(request)
        return "response"

    async def fetch(self, *partitions: int, max_bytes: int = 50 * MB) -> Any:
        topics = [("in", [(partition, 7, MB) for partition in partitions])]
        request = FetchRequest(500, 1, max_bytes, 0, topics, rack_id="r")
        return await self.budget.send(self.transmit, 1, request, group=0)


async def test_a_fetch_with_room_is_sent_as_it_is() -> None:
    client = Client(1000 * MB)
    assert await client.fetch(0, 1) == "response"
    (request,) = client.sent
    assert request.topics == [("in", [(0, 7, MB), (1, 7, MB)])]
    limits = request._max_wait_ms, request._min_bytes, request._max_bytes, request._rack_id
    assert limits == (500, 1, 50 * MB, "r")


async def test_a_response_is_limited_to_what_has_room() -> None:
    client = Client(100 * MB, p0=30 * MB, p1=55 * MB)
    await client.fetch(2, 3)
    assert client.sent[0]._max_bytes == 15 * MB


async def test_fetches_from_several_brokers_share_the_room() -> None:
    client = Client(60 * MB)
    limits: list[int] = []

    async def transmit(node_id: Any, request: Any, **kwargs: Any) -> None:
        limits.append(request._max_bytes)
        if node_id < 4:  # the next broker is asked before this one has answered
            await client.budget.send(transmit, node_id + 1, request)

    topics = [("in", [(0, 7, MB)])]
    await client.budget.send(transmit, 1, FetchRequest(500, 1, 40 * MB, 0, topics))
    assert limits == [40 * MB, 20 * MB, 65_536, 65_536]
    await client.fetch(0)
    assert client.sent[0]._max_bytes == 50 * MB, "responses that have come are not counted"


async def test_partitions_that_are_over_the_budget_are_left_out() -> None:
    client = Client(100 * MB, p0=90 * MB, p1=20 * MB)
    await client.fetch(0, 1, 2)
    assert client.sent[0].topics == [("in", [(2, 7, MB)])]


async def test_without_room_nothing_is_fetched() -> None:
    client = Client(100 * MB, p0=90 * MB, p1=20 * MB)
    response = await client.fetch(0, 1)
    assert (client.sent, response.topics) == ([], [])


@pytest.mark.parametrize("topics", [["in"], None])
async def test_other_requests_pass(topics: list[str] | None) -> None:
    client = Client(1, p0=100)
    request = MetadataRequest(topics)
    assert await client.budget.send(client.transmit, 1, request) == "response"
    assert client.sent == [request]
