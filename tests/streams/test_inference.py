"""An agent's engine in memory: every record gets a result or a dead letter, and is counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from schemas import DeadLetter
from streams.model_pool import ModelPool
from streams.settings import AgentSettings, BatchSettings
from tests.fakes import Doubling, ListSink, Number
from tests.streams.engines import SETTINGS, answers, engine


async def test_every_record_is_answered_in_order_and_counted() -> None:
    async with engine() as e:
        for start in range(0, 60, 20):
            await e.inference.submit(
                [e.batch([n % 7 for n in range(start, start + 20)], first_offset=start)]
            )
        await e.drained()
        assert answers(e.sink.records["doubles", 0]) == [(n, 2 * (n % 7)) for n in range(60)]
        assert e.tracker.watermark(("numbers", 0)) == 60
        assert e.accounts() == {
            "in": 60, "answered": 60, "dead_lettered": 0, "filtered": 0, "in_flight": 0,
        }  # fmt: skip


async def test_a_result_has_its_origin_and_model() -> None:
    async with engine() as e:
        await e.inference.submit([e.batch([4], partition=1, first_offset=9, keys=[b"cam"])])
        await e.drained()
        (record,) = e.sink.records["doubles", 1]
        assert record.key == b"cam"
        assert json.loads(record.value) == {
            "schema_version": 1,
            "source_id": "cam",
            "event_id": "",
            "event_time_ms": 1_700_000_000_000,
            "origin": {"topic": "numbers", "partition": 1, "offset": 9},
            "model": "doubling",
            "model_version": "1",
            "y": 8.0,
        }
        headers = dict(record.headers)
        assert headers["ce_id"] == b"numbers:1:9:double:penstock.result.v1:0"
        assert headers["content-type"] == b"application/json"
        assert headers["penstock_timing"].split(b";")[1] == b"batch=1"


async def test_a_bad_record_affects_only_itself() -> None:
    async with engine() as e:
        await e.inference.submit([e.batch([1, b"{bad", None, 13, b"", 5])])
        await e.drained()
        assert answers(e.sink.topic("doubles")) == [(0, 2.0), (5, 10.0)]
        letters = [DeadLetter.from_headers(r.headers) for r in e.sink.topic("numbers.dlq")]
        assert {(x.origin.offset, x.reason) for x in letters} == {
            (1, "decode_error"), (3, "model_error"), (4, "empty_value"),
        }  # fmt: skip
        assert e.accounts() == {
            "in": 6, "answered": 2, "dead_lettered": 3, "filtered": 1, "in_flight": 0,
        }  # fmt: skip
        assert e.count("penstock_dead_letters_total", topic="numbers", reason="model_error") == 1
        assert e.tracker.watermark(("numbers", 0)) == 6


async def test_no_record_is_finished_before_the_broker_acknowledges() -> None:
    sink = ListSink()
    sink.gate = asyncio.Event()
    async with engine(sink=sink) as e:
        await e.inference.submit([e.batch([1, b"bad", 3])])
        async with asyncio.timeout(5):
            while len(sink.topic("doubles")) < 2 or not sink.topic("numbers.dlq"):
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.02)
        assert e.tracker.watermark(("numbers", 0)) is None
        assert e.accounts()["in_flight"] == 3
        sink.gate.set()
        await e.drained()
        assert e.tracker.watermark(("numbers", 0)) == 3


async def test_batches_mix_partitions_and_keep_to_the_maximum() -> None:
    models: list[Doubling] = []

    def slow() -> Doubling:
        models.append(Doubling(sleep_seconds=0.02))
        return models[-1]

    async with engine(slow) as e:
        for partition in range(4):
            await e.inference.submit([e.batch(range(5), partition=partition)])
        await e.drained()
        assert sum(models[0].batch_sizes) == 20
        assert max(models[0].batch_sizes) == 8


async def test_small_record_batches_of_a_partition_are_sent_together() -> None:
    settings = replace(SETTINGS, batch=BatchSettings(max_batch_size=6, max_wait_seconds=60.0))
    async with engine(settings=settings) as e:
        for n in range(3):
            for partition in range(2):
                batch = e.batch([n], partition=partition, first_offset=n, arrived=time.monotonic())
                await e.inference.submit([batch])
        await e.drained()
        assert answers(e.sink.records["doubles", 0]) == [(n, 2.0 * n) for n in range(3)]
        assert e.sink.num_sends["doubles"] == 2  # one for each partition


async def test_results_sent_together_are_sent_one_by_one_if_rejected() -> None:
    class Wordy(Doubling):
        def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, Any]]:
            return [{"y": 1, "text": "x" * int(event.x)} for event in batch]

    settings = replace(SETTINGS, batch=BatchSettings(max_batch_size=4, max_wait_seconds=60.0))
    async with engine(Wordy, ListSink(max_bytes={"doubles": 1000}), settings) as e:
        await e.inference.submit([e.batch([1, 5000], arrived=time.monotonic())])
        await e.inference.submit([e.batch([2, 3], first_offset=2, arrived=time.monotonic())])
        await e.drained()
        assert [offset for offset, _ in answers(e.sink.topic("doubles"))] == [0, 2, 3]
        assert e.accounts()["dead_lettered"] == 1
        assert e.tracker.watermark(("numbers", 0)) == 4


async def test_copies_work_in_parallel_and_the_order_holds() -> None:
    settings = AgentSettings(
        input="numbers", output="doubles", model="doubling", concurrency=4,
        batch=BatchSettings(max_batch_size=3, max_wait_seconds=0.0),
    )  # fmt: skip
    delays = iter([0.05, 0.0, 0.02, 0.01])
    async with engine(lambda: Doubling(next(delays)), settings=settings) as e:
        await e.inference.submit([e.batch(range(12))])
        await e.drained()
        assert answers(e.sink.records["doubles", 0]) == [(n, 2.0 * n) for n in range(12)]


async def test_records_of_a_revoked_partition_finish_without_effect() -> None:
    sink = ListSink()
    sink.gate = asyncio.Event()
    async with engine(sink=sink) as e:
        batch = e.batch([1, 2, 3])
        await e.inference.submit([batch])
        while len(sink.topic("doubles")) < 3:
            await asyncio.sleep(0.002)
        e.tracker.give_up([batch.tp])
        e.inference.drop_stale()
        sink.gate.set()
        await asyncio.sleep(0.05)
        assert e.accounts()["answered"] == 0
        assert e.accounts()["in_flight"] == 0
        assert e.count("penstock_records_handed_back_total", topic="numbers") == 3
        await e.inference.submit([batch])  # too late: its span is no longer live
        assert e.accounts()["in"] == 3


async def test_a_result_that_its_topic_rejects_becomes_a_dead_letter() -> None:
    class Wordy(Doubling):
        def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, Any]]:
            return [{"y": 1, "text": "x" * int(event.x)} for event in batch]

    async with engine(Wordy, ListSink(max_bytes={"doubles": 1000})) as e:
        await e.inference.submit([e.batch([1, 5000, 2])])
        await e.drained()
        assert [offset for offset, _ in answers(e.sink.topic("doubles"))] == [0, 2]
        (letter,) = (DeadLetter.from_headers(r.headers) for r in e.sink.topic("numbers.dlq"))
        assert (letter.origin.offset, letter.reason) == (1, "result_too_large")
        assert e.accounts()["in_flight"] == 0


async def test_a_dead_letter_that_its_topic_rejects_is_cut_until_it_fits() -> None:
    async with engine(sink=ListSink(max_bytes={"numbers.dlq": 20_000})) as e:
        await e.inference.submit([e.batch([b"x" * 500_000])])
        await e.drained()
        (record,) = e.sink.topic("numbers.dlq")
        assert 0 < len(record.value) <= 20_000
        assert DeadLetter.from_headers(record.headers).full_bytes == 500_000


async def test_a_permanent_rejection_is_reported_and_finishes_no_record() -> None:
    async with engine(sink=ListSink(max_bytes={"numbers.dlq": 1})) as e:
        await e.inference.submit([e.batch([b"bad"])])
        async with asyncio.timeout(5):
            while not e.failures:
                await asyncio.sleep(0.002)
        assert "numbers.dlq" in str(e.failures[0])
        assert e.tracker.watermark(("numbers", 0)) is None
        assert e.accounts()["in_flight"] == 1


@pytest.mark.parametrize("answer", [object(), "text", {"y": object()}, [{"y": 1}, 7]])
async def test_an_answer_of_a_wrong_type_becomes_a_dead_letter(answer: Any) -> None:
    class Odd(Doubling):
        def predict_batch(self, batch: Sequence[Number]) -> list[Any]:
            return [answer] * len(batch)

    async with engine(Odd) as e:
        await e.inference.submit([e.batch([1])])
        await e.drained()
        (letter,) = (DeadLetter.from_headers(r.headers) for r in e.sink.topic("numbers.dlq"))
        assert letter.reason == "unencodable_result"
        assert e.sink.topic("doubles") == []


async def test_a_record_may_have_no_one_or_several_results() -> None:
    class Repeating(Doubling):
        def predict_batch(self, batch: Sequence[Number]) -> list[Any]:
            return [[{"y": i} for i in range(int(event.x))] or None for event in batch]

    async with engine(Repeating) as e:
        await e.inference.submit([e.batch([0, 1, 3])])
        await e.drained()
        assert answers(e.sink.topic("doubles")) == [(1, 0), (2, 0), (2, 1), (2, 2)]
        ids = [dict(record.headers)["ce_id"] for record in e.sink.topic("doubles")]
        assert len(set(ids)) == 4
        assert e.accounts()["answered"] == 3
        assert e.count("penstock_results_total", topic="doubles") == 4


async def test_submit_blocks_while_too_many_events_wait() -> None:
    settings = AgentSettings(
        input="numbers", output="doubles", model="doubling",
        batch=BatchSettings(max_batch_size=1024, max_wait_seconds=0.0),
    )  # fmt: skip
    async with engine(lambda: Doubling(0.2), settings=settings) as e:
        submitted = 0

        async def submit_all() -> None:
            nonlocal submitted
            for i in range(12):
                await e.inference.submit([e.batch([1] * 1024, first_offset=i * 1024)])
                submitted += 1

        task = asyncio.create_task(submit_all())
        await asyncio.sleep(0.15)
        assert 1 <= submitted < 8
        await task
        await e.drained()
        assert e.accounts()["answered"] == 12 * 1024


async def test_a_device_that_fails_is_skipped() -> None:
    class Choosy(Doubling):
        def load(self, device: str = "cpu") -> None:
            if device != "cpu":
                raise RuntimeError(f"no {device} here")
            super().load(device)

    pool = ModelPool("a", Choosy, 2, ["cuda:0", "cpu"])
    pool.load()
    assert pool.device == "cpu"
    with pytest.raises(RuntimeError, match="no cuda:0 here"):
        ModelPool("a", Choosy, 1, ["cuda:0"]).load()


async def test_models_are_loaded_and_closed() -> None:
    models: list[Doubling] = []

    def factory() -> Doubling:
        models.append(Doubling())
        return models[-1]

    async with engine(factory):
        assert models[0].is_loaded
    await asyncio.sleep(0.05)
    assert models[0].is_closed


async def test_a_stop_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with engine(lambda: Doubling(0.2)) as e:
        await e.inference.submit([e.batch([1] * 40)])
        await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == before


async def test_busy_seconds_are_those_with_work_and_stand_still_without() -> None:
    calls, seconds = 3, 0.02
    async with engine(lambda: Doubling(sleep_seconds=seconds)) as made:
        for number in range(calls):
            await made.inference.submit([made.batch([number], first_offset=number)])
            await made.drained()
        await asyncio.sleep(0.01)  # the delivery of the last batch ends
        busy = made.count("penstock_busy_seconds_total")
        assert busy >= calls * seconds
        await asyncio.sleep(0.05)
        assert made.count("penstock_busy_seconds_total") == busy
