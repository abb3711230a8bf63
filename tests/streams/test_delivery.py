"""Rows finish in any order, each once its results or its dead letter are acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry

from schemas import DeadLetter, SchemaError
from streams.delivery import Delivery
from streams.encoded_output import EncodedChunk, EncodedOutput
from streams.health.metrics import Metrics
from streams.offsets import OffsetTracker
from streams.output_records import OutputRecord, Packing
from streams.records import TopicPartition
from streams.settings import AgentSettings
from tests.fakes import ListSink, record_batch

TP = TopicPartition("numbers", 0)


def make(
    tracker: OffsetTracker,
    sink: ListSink,
    may_send: Callable[[], Awaitable[None]] | None = None,
) -> Delivery:
    async def fail(error: BaseException) -> None:
        raise error

    metrics = Metrics(CollectorRegistry()).for_agent("a", ["numbers"], "m")
    settings = AgentSettings(input="numbers", output="o", model="m")
    return Delivery("a", settings, sink, tracker, metrics, fail, may_send=may_send)


async def test_results_wait_until_they_may_be_sent() -> None:
    """A partition that is given up meanwhile belongs to another worker: its results are dropped."""
    tracker, sink, may_send = OffsetTracker(), ListSink(), asyncio.Event()

    async def wait() -> None:
        await may_send.wait()

    outputs = []
    for partition in (0, 1):
        batch = record_batch([b"x"], tracker=tracker, partition=partition)
        chunk = EncodedChunk(batch, rows=[0], record_rows=[0])
        chunk.records.append(OutputRecord(b"k", b"%d" % partition, []))
        outputs.append(EncodedOutput.of([chunk], Packing(1000)))
    sending = asyncio.ensure_future(make(tracker, sink, wait).results(outputs))
    await asyncio.sleep(0.01)
    assert sink.topic("o") == []
    tracker.give_up([TopicPartition("numbers", 1)])
    may_send.set()
    await sending
    assert [record.value for record in sink.topic("o")] == [b"0"]


@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [3, 1], [2, 0, 3, 1], [0, 3, 2]])
async def test_dead_letters_in_any_order_finish_only_their_rows(rows: list[int]) -> None:
    tracker = OffsetTracker()
    batch = record_batch([b"x"] * 4, tracker=tracker)
    failed = [(row, SchemaError(str(row))) for row in rows]
    await make(tracker, ListSink()).dead_letters(batch, failed)
    assert tracker.under_way(TP)[0] == 4 - len(rows)
    for row in sorted({0, 1, 2, 3} - set(rows)):
        assert tracker.watermark(TP) in (None, row)
        tracker.finish(batch.span, [row])
    assert tracker.watermark(TP) == 4


async def test_a_result_that_is_too_large_affects_only_its_row() -> None:
    """Packed into one producer batch, rejected, unpacked, and sent again row by row."""
    tracker, sink = OffsetTracker(), ListSink(max_bytes={"o": 50})
    batches = [record_batch([b"x"] * 2, tracker=tracker, first_offset=offset) for offset in (0, 2)]
    chunks = []
    for batch in batches:
        chunk = EncodedChunk(batch, rows=[0, 1], record_rows=[0, 0, 1])
        for index, row in enumerate(chunk.record_rows):
            is_large = batch.offsets[row] == 2 and index == 1
            value = b"%d" % batch.offsets[row] + b"!" * index + b"x" * 100 * is_large
            chunk.records.append(OutputRecord(b"k", value, []))
        chunks.append(chunk)
    await make(tracker, sink).results([EncodedOutput.of(chunks, Packing(1000))])
    while tracker.under_way(TP)[0]:
        await asyncio.sleep(0.001)
    assert [record.value for record in sink.topic("o")] == [b"0", b"0!", b"1!!", b"3!!"]
    (letter,) = [DeadLetter.from_headers(r.headers) for r in sink.topic("numbers.dlq")]
    assert (letter.origin.offset, letter.reason) == (2, "result_too_large")
