"""A wait for a group's committed offsets is told once, if it is long."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiokafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError

from streams.exactly_once.stable_offsets import stable_offsets
from streams.records import TopicPartition

TP = TopicPartition("numbers", 0)


class Client:
    """Of brokers that can't tell the group's coordinator."""

    def __init__(self, error: type[Exception] = CoordinatorNotAvailableError) -> None:
        self.error = error
        self.num_asked = 0

    async def coordinator_lookup(self, *args: Any) -> int:
        self.num_asked += 1
        raise self.error


async def ask_a_while(client: Any) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stable_offsets(client, "counters", [TP]), 0.1)


async def test_a_long_wait_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.exactly_once.stable_offsets._RETRY_SECONDS", 0.001)
    monkeypatch.setattr("streams.exactly_once.stable_offsets._QUIET_SECONDS", 0.02)
    client = Client()
    await ask_a_while(client)
    assert client.num_asked > 2
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "the committed offsets of group counters are waited for"
    ]


async def test_a_short_wait_is_not(caplog: pytest.LogCaptureFixture) -> None:
    await ask_a_while(Client())
    assert caplog.records == []


async def test_a_refusal_is_not_tried_again() -> None:
    client: Any = Client(GroupAuthorizationFailedError)
    with pytest.raises(GroupAuthorizationFailedError):
        await stable_offsets(client, "counters", [TP])
    assert client.num_asked == 1


async def test_of_no_partitions_nothing_is_asked() -> None:
    client: Any = Client()
    assert await stable_offsets(client, "counters", []) == {}
    assert client.num_asked == 0
