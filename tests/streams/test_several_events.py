"""Records with several events in the whole engine: one outcome each, results in order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from schemas import DeadLetter
from schemas.mapping.field_spec import parse_fields
from schemas.mapping.fields import FieldMapping
from schemas.mapping.reader import RecordReader
from schemas.values import JsonValues
from streams.batching import Chunk
from streams.mapped_decoding import MappedDecoder
from streams.micro_batcher import MicroBatcher
from streams.offsets import OffsetTracker
from streams.settings import BatchSettings
from tests.fakes import Doubling, ListSink, Number, record_batch
from tests.streams.engines import SETTINGS
from tests.streams.engines import engine as running

FIELDS = {"each": "list", "source_id": "$key", "x": "x"}


def make_decoder() -> MappedDecoder:
    mapping = FieldMapping(parse_fields(FIELDS, Number), Number)
    return MappedDecoder(RecordReader(JsonValues(), mapping), 100_000)


def record(*numbers: Any) -> bytes:
    return json.dumps({"list": [{"x": n} for n in numbers]}).encode()


RECORDS = [record(1, 2, 3), record(), record(4), record(5, 13, 6), record(*range(20, 40)), b"{}"]


@pytest.mark.parametrize("max_batch_size", [1, 2, 8, 1000])
async def test_one_outcome_and_results_in_order(max_batch_size: int) -> None:
    settings = replace(SETTINGS, batch=BatchSettings(max_batch_size=max_batch_size))
    sink = ListSink(num_partitions=1)
    async with running(sink=sink, settings=settings, decoder=make_decoder()) as engine:
        await engine.inference.submit([engine.batch(RECORDS)])
        await engine.drained()
        counts = engine.accounts()
        assert engine.count("penstock_records_filtered_total", topic="numbers", reason="empty") == 1
    assert counts == {"in": 6, "answered": 3, "dead_lettered": 2, "filtered": 1, "in_flight": 0}
    results = sink.topic("doubles")
    values = [json.loads(result.value) for result in results]
    numbers = [1, 2, 3, 4, *range(20, 40)]
    assert [value["y"] for value in values] == [2 * n for n in numbers]
    ids = [dict(result.headers)["ce_id"].decode() for result in results]
    assert len(set(ids)) == len(ids)
    assert [id.rpartition(":")[2] for id in ids[:3]] == ["0", "1", "2"]
    letters = {DeadLetter.from_headers(r.headers).origin.offset: DeadLetter.from_headers(r.headers)
               for r in sink.topic("numbers.dlq")}  # fmt: skip
    assert sorted(letters) == [3, 5]
    assert (letters[3].reason, letters[5].reason) == ("model_error", "schema_error")


def test_a_record_is_never_cut() -> None:
    batcher: MicroBatcher[Number] = MicroBatcher(BatchSettings(max_batch_size=4))
    batch = record_batch([b"{}"] * 4, tracker=OffsetTracker())
    rows = [0, 0, 0, 1, 1, 1, 2, 3, 3]
    batcher.add(Chunk(batch, rows, [Number(x=row) for row in rows]))
    taken = []
    while micro_batch := batcher.take(0.0, is_idle=True):
        taken.append([row for chunk in micro_batch.chunks for row in chunk.rows])
    assert taken == [[0, 0, 0, 1, 1, 1], [2, 3, 3]]
    assert len(batcher) == 0


class CountingBatches(Doubling):
    """Fails if the engine gives it more events than the limit."""

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        assert len(batch) <= 8
        return super().predict_batch(batch)


async def test_a_record_with_more_events_than_a_batch_is_answered_in_parts() -> None:
    async with running(CountingBatches, decoder=make_decoder()) as engine:
        await engine.inference.submit([engine.batch([record(*range(20, 50))])])
        await engine.drained()
        assert engine.accounts()["answered"] == 1


async def test_records_of_a_revoked_partition_are_handed_back_once() -> None:
    slow = Doubling(sleep_seconds=0.2)
    async with running(lambda: slow, decoder=make_decoder()) as engine:
        batch = engine.batch([record(1, 2, 3)] * 5)
        await engine.inference.submit([batch])
        engine.tracker.give_up([batch.tp])
        engine.inference.drop_stale()
        await engine.inference.stop()
        handed_back = engine.count("penstock_records_handed_back_total", topic="numbers")
        in_flight = engine.count("penstock_records_in_flight")
    assert handed_back + in_flight == 5


class Preparing(CountingBatches):
    """Prepares its batches ahead, as models of texts and pictures do."""

    def prepare_batch(self, batch: Sequence[Number]) -> list[Number]:
        assert len(batch) <= 8
        return list(batch)

    def predict_prepared(self, prepared: list[Number]) -> list[dict[str, float]]:
        return self.predict_batch(prepared)


async def test_a_record_over_the_batch_size_is_prepared_in_parts() -> None:
    async with running(Preparing, decoder=make_decoder()) as engine:
        numbers = [record(*range(20, 50)), record(1), record(2)]
        await engine.inference.submit([engine.batch(numbers)])
        await engine.drained()
        assert engine.accounts()["answered"] == 3
