"""After a small fetch records gather for a moment; a large or an empty one delays nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.transport.fetch_pacer import FetchPacer


@pytest.mark.parametrize(
    ("num_records", "has_more", "is_paced"),
    [(0, False, False), (1, False, True), (1, True, False), (1000, False, False)],
)
def test_only_a_small_fetch_of_all_that_is_there_delays_the_next(
    num_records: int, has_more: bool, is_paced: bool
) -> None:
    now = 100.0
    pacer = FetchPacer(lambda: now)
    assert pacer.seconds_left() == 0.0
    pacer.took(num_records, 1, has_more)
    assert (pacer.seconds_left() > 0.0) == is_paced
    now += 1.0
    assert pacer.seconds_left() == 0.0


@pytest.mark.parametrize(
    ("num_partitions", "seconds"), [(1, 0.008), (16, 0.008), (50, 0.015), (200, 0.02)]
)
def test_records_of_many_partitions_gather_for_longer(num_partitions: int, seconds: float) -> None:
    pacer = FetchPacer(lambda: 100.0)
    pacer.took(num_partitions, num_partitions, has_more=False)
    assert pacer.seconds_left() == pytest.approx(seconds)


@pytest.mark.parametrize("is_fetch", [True, False])
async def test_only_fetches_wait(is_fetch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def send(node_id: Any, request: Any, **kwargs: Any) -> str:
        return f"sent to {node_id} {kwargs}"

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pacer = FetchPacer(lambda: 100.0)
    request = FetchRequest(500, 1, 1000, 0, []) if is_fetch else MetadataRequest([])
    assert await pacer.send(send, 3, request, group=1) == "sent to 3 {'group': 1}"
    assert slept == []
    pacer.took(1, 1, has_more=False)
    await pacer.send(send, 3, request)
    assert slept == ([pytest.approx(0.008)] if is_fetch else [])
