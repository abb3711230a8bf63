"""Rows are finished whatever order they come in."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from schemas import SchemaError
from streams.delivery import Delivery
from streams.metrics import Metrics
from streams.offsets import OffsetTracker
from streams.records import TopicPartition
from streams.settings import AgentSettings
from tests.fakes import ListSink, record_batch

TP = TopicPartition("numbers", 0)


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 1], [2, 0, 3, 1]])
async def test_dead_letters_in_any_order_finish_their_rows_alone(rows: list[int]) -> None:
    """Events that don't decode, and ones that can't be measured, come one after the other."""
    tracker = OffsetTracker()
    metrics = Metrics(CollectorRegistry()).for_agent("a", ["numbers"], "m")
    settings = AgentSettings(input="numbers", output="o", model="m")

    async def fail(error: BaseException) -> None:
        raise error

    delivery = Delivery("a", settings, ListSink(), tracker, metrics, fail)
    batch = record_batch([b"x"] * 4, tracker=tracker)
    await delivery.dead_letters(batch, [(row, SchemaError(str(row))) for row in rows])
    assert tracker.under_way(TP)[0] == 4 - len(rows)
    assert [row for row in range(4) if batch.span.is_finished(row)] == sorted(rows)
