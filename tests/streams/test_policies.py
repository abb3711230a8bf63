"""Deadlines and priorities in the whole engine, on a virtual clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from schemas import DeadLetter
from streams import model_pool
from streams.records import RecordBatch
from streams.settings import AgentSettings, BatchSettings
from tests.fakes import ListSink, record_batch
from tests.streams.engines import Engine
from tests.streams.worlds import WALL, Numbered
from tests.virtual_time import VirtualExecutor, VirtualLoop, run_virtually

Scenario = Callable[["Line"], Awaitable[None]]


class RecordingModel:
    """Doubles numbers and records its calls."""

    name, version = "doubling", "1"

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def load(self, device: str = "cpu") -> None: ...

    def warm_up(self) -> None: ...

    def close(self) -> None: ...

    def predict_batch(self, batch: Sequence[Numbered]) -> list[dict[str, int]]:
        self.calls.append([event.x for event in batch])
        return [{"y": 2 * event.x} for event in batch]


class Line:
    """An engine whose model takes a fixed number of virtual seconds for each batch."""

    def __init__(self, settings: AgentSettings, model_seconds: float) -> None:
        self.loop = VirtualLoop()
        self.model = RecordingModel()
        self._ends: dict[tuple[str, int], int] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                model_pool,
                "device_executor",
                lambda name: VirtualExecutor(self.loop, lambda: model_seconds),
            )
            self.engine = Engine(
                lambda: self.model,
                ListSink(),
                settings,
                event_type=Numbered,
                host=VirtualExecutor(self.loop, lambda: 0.0),
                clock=self.loop.time,
                wall_clock=lambda: WALL + self.loop.time(),
            )
        self.engine.pool.load()

    def run(self, scenario: Scenario) -> None:
        async def play() -> None:
            async with self.engine.inference:
                await scenario(self)

        run_virtually(self.loop, play())

    def batch(
        self, *events: dict[str, Any] | bytes | None, topic: str = "numbers", partition: int = 0
    ) -> RecordBatch:
        """Make a record batch; events happen now, or `age` seconds ago if they have that key."""
        first = self._ends.get((topic, partition), 0)
        self._ends[topic, partition] = first + len(events)
        return record_batch(
            [self._value(e) if isinstance(e, dict) else e for e in events],
            tracker=self.engine.tracker,
            topic=topic,
            partition=partition,
            first_offset=first,
            arrived=self.loop.time(),
        )

    def _value(self, event: dict[str, Any]) -> bytes:
        age = event.pop("age", 0.0)
        now = WALL + self.loop.time()
        return json.dumps({"event_time_ms": round((now - age) * 1000), **event}).encode()

    async def submit(self, *events: Any, **where: Any) -> None:
        await self.engine.inference.submit([self.batch(*events, **where)])


def live(expired: str = "filter", **batch: Any) -> AgentSettings:
    sizes = {"max_batch_size": 2, "max_wait_seconds": 0.01, **batch}
    return AgentSettings(
        input="numbers",
        output="doubles",
        model="m",
        overload="latest",
        deadline_seconds=1.0,
        expired=expired,  # type: ignore[arg-type]
        batch=BatchSettings(**sizes),
    )


def test_a_backlog_of_old_events_is_skipped_without_the_model() -> None:
    line = Line(live(), model_seconds=1.0)

    async def scenario(line: Line) -> None:
        for _ in range(100):
            await line.submit(*[{"x": 1, "age": 60.0} for _ in range(1000)])
        assert line.loop.time() < 0.01
        await line.submit({"x": 7, "age": 0.5}, None)
        await line.engine.drained()

    line.run(scenario)
    assert line.model.calls == [[7]]
    e = line.engine
    assert e.accounts() == {
        "in": 100_002, "answered": 1, "dead_lettered": 0, "filtered": 100_001, "in_flight": 0,
    }  # fmt: skip
    filtered = {
        reason: e.count("penstock_records_filtered_total", topic="numbers", reason=reason)
        for reason in ("expired", "tombstone")
    }
    assert filtered == {"expired": 100_000, "tombstone": 1}
    assert e.tracker.watermark(("numbers", 0)) == 100_002
    assert e.sink.topic("numbers.dlq") == []


def test_only_events_that_expire_while_they_wait_are_filtered() -> None:
    line = Line(live(), model_seconds=0.6)

    async def scenario(line: Line) -> None:
        await line.submit(*[{"x": x} for x in range(8)])
        await line.engine.drained()

    line.run(scenario)
    # Batches begin at 0, 0.6 and 1.2; two are formed at 0, the third when the first ends.
    assert line.model.calls == [[0, 1], [2, 3], [4, 5]]
    assert line.engine.accounts()["filtered"] == 2


def test_an_expired_event_can_become_a_dead_letter() -> None:
    line = Line(live("dead_letter"), model_seconds=0.6)

    async def scenario(line: Line) -> None:
        await line.submit({"x": 1, "age": 1.5}, {"x": 2}, b"{bad")
        await line.engine.drained()

    line.run(scenario)
    letters = [DeadLetter.from_headers(r.headers) for r in line.engine.sink.topic("numbers.dlq")]
    assert {(x.origin.offset, x.reason) for x in letters} == {(0, "expired"), (2, "decode_error")}
    assert line.engine.accounts()["dead_lettered"] == 2
    assert line.engine.count("penstock_records_filtered_total", topic="numbers",
                             reason="expired") == 0  # fmt: skip


def test_no_event_expires_without_a_deadline() -> None:
    settings = AgentSettings(input="numbers", output="doubles", model="m")
    line = Line(settings, model_seconds=5.0)

    async def scenario(line: Line) -> None:
        await line.submit({"x": 1, "age": 1e6}, {"x": 2})
        await asyncio.sleep(12)

    line.run(scenario)
    assert line.engine.accounts()["answered"] == 2


def two_topics(**batch: Any) -> AgentSettings:
    sizes = {"max_batch_size": 2, "max_wait_seconds": 0.01, **batch}
    return AgentSettings(
        input=["high", "low"], output="doubles", model="m", batch=BatchSettings(**sizes)
    )


def test_a_flood_on_a_later_topic_delays_the_earlier_only_by_formed_batches() -> None:
    line = Line(two_topics(), model_seconds=1.0)

    async def flood(line: Line) -> None:
        for start in range(0, 3000, 100):
            await line.submit(*[{"x": start + i} for i in range(100)], topic="low")

    async def scenario(line: Line) -> None:
        low = asyncio.create_task(flood(line))
        await asyncio.sleep(10.5)
        await line.submit({"x": -1}, {"x": -2}, {"x": -3}, topic="high")
        await asyncio.sleep(4)
        low.cancel()

    line.run(scenario)
    formed = line.model.calls
    first = formed.index([-1, -2])
    # One batch ran and one was formed when they arrived; the flood fills up the next batch.
    assert first == 12
    assert formed[first + 1][0] == -3
    assert formed[first + 1][1] >= 0
    assert line.engine.accounts("high")["answered"] == 3
    assert [value["y"] for value in values(line, 0)[24:27]] == [-2, -4, -6]


def values(line: Line, partition: int) -> list[Any]:
    return [json.loads(r.value) for r in line.engine.sink.records["doubles", partition]]


def test_a_flood_on_an_earlier_topic_does_not_starve_the_later() -> None:
    line = Line(two_topics(), model_seconds=0.1)

    async def flood(line: Line) -> None:
        for _ in range(100):
            await line.submit(*[{"x": 1} for _ in range(100)], topic="high")

    async def scenario(line: Line) -> None:
        high = asyncio.create_task(flood(line))
        await asyncio.sleep(0.25)
        await line.submit({"x": -1}, {"x": -2}, {"x": -3}, topic="low")
        await asyncio.sleep(3)
        high.cancel()

    line.run(scenario)
    places = [i for i, call in enumerate(line.model.calls) if min(call) < 0]
    assert line.model.calls[places[0]] == [-1, -2]
    assert line.model.calls[places[1]] == [-3, 1]
    assert places[1] - places[0] == 11


def test_each_topic_has_its_own_dead_letters_and_metrics() -> None:
    line = Line(two_topics(), model_seconds=0.01)

    async def scenario(line: Line) -> None:
        await line.submit(b"{bad", {"x": 1}, topic="high")
        await line.submit(b"{bad", b"", None, topic="low")
        await line.engine.drained()

    line.run(scenario)
    e = line.engine
    assert [len(e.sink.topic(f"{topic}.dlq")) for topic in ("high", "low")] == [1, 2]
    assert [e.accounts(t)["dead_lettered"] for t in ("high", "low")] == [1, 2]
    assert [e.accounts(t)["filtered"] for t in ("high", "low")] == [0, 1]
    assert e.count("penstock_dead_letters_total", topic="low", reason="empty_value") == 1


def test_an_idle_model_answers_all_partitions_of_a_fetch_in_one_call_without_waiting() -> None:
    batch = BatchSettings(max_batch_size=100, max_wait_seconds=60.0)
    line = Line(AgentSettings(input="numbers", output="doubles", model="m", batch=batch), 0.1)

    async def scenario(line: Line) -> None:
        fetched = [line.batch({"x": partition}, partition=partition) for partition in range(16)]
        await line.engine.inference.submit(fetched)
        await line.engine.drained()
        assert line.loop.time() < 1.0

    line.run(scenario)
    assert line.model.calls == [list(range(16))]


def test_events_that_come_while_the_model_is_busy_leave_together_when_it_is_idle_again() -> None:
    batch = BatchSettings(max_batch_size=100, max_wait_seconds=60.0)
    line = Line(AgentSettings(input="numbers", output="doubles", model="m", batch=batch), 1.0)

    async def scenario(line: Line) -> None:
        for x in range(5):
            await line.submit({"x": x})
            await asyncio.sleep(0.1)
        await line.engine.drained()
        assert line.loop.time() < 5.0

    line.run(scenario)
    assert line.model.calls == [[0], [1, 2, 3, 4]]
