"""Failures leave no reference cycles: the garbage collector runs rarely and counts no bytes.

An exception holds the frames that it passed through. If a variable of such a frame holds the
exception, they form a cycle, which keeps all other variables of these frames alive: record batches,
decoded pictures.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas import InputError, SensorReading, make_codec
from streams.decoding import Decoder
from streams.delivery import Delivery
from streams.health.metrics import Metrics
from streams.offsets import OffsetTracker
from streams.predicting import predict_each
from streams.settings import AgentSettings
from tests.fakes import ListSink, record_batch


class Picture:
    """Stands for a large object."""


pictures: weakref.WeakSet[Picture] = weakref.WeakSet()


@pytest.fixture(autouse=True)
def _no_collections() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def raise_on_three(batch: Sequence[int]) -> list[Any]:
    picture = Picture()
    pictures.add(picture)
    if 3 in batch:
        raise ArithmeticError(f"of {picture}")
    return [None for _ in batch]


def test_a_model_that_raises_leaves_no_cycle() -> None:
    answers = predict_each(raise_on_three, range(8))
    assert isinstance(answers[3], InputError)
    assert str(answers[3].__cause__).startswith("of ")
    assert len(pictures) == 0


def make_delivery(tracker: OffsetTracker) -> Delivery:
    async def fail(error: BaseException) -> None:
        raise error

    metrics = Metrics(CollectorRegistry()).for_agent("a", "t", "m")
    settings = AgentSettings(input="t", output="o", model="m")
    return Delivery("a", settings, ListSink(), tracker, metrics, fail)


async def test_records_that_do_not_decode_leave_no_cycle() -> None:
    tracker = OffsetTracker()
    decoder: Decoder[SensorReading] = Decoder(make_codec("json", SensorReading), 1000)
    batch = record_batch([b"{bad"] * 3, tracker=tracker, topic="t")
    decoded = decoder.decode(batch)
    errors = [weakref.ref(error) for _, error in decoded.failed]
    await make_delivery(tracker).dead_letters(batch, decoded.failed)
    del decoded, batch
    assert [error() for error in errors] == [None] * 3
