"""Calls of a model that is unavailable wait and are repeated; nothing is dead-lettered."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from schemas.errors import InputError, Unavailable
from streams.model_calls import ModelCalls
from streams.predicting import predict_each
from streams.settings import BatchSettings
from tests.fakes import Doubling, ListSink, Number
from tests.streams.engines import SETTINGS, Engine, answers, engine
from tests.waiting import wait_until


class Service:
    """What the models of a test call: away until `back` is set."""

    def __init__(self) -> None:
        self.back = threading.Event()
        self.num_refused = 0

    def ask(self) -> None:
        if not self.back.is_set():
            self.num_refused += 1
            raise Unavailable("http://scores:8000 answers 503")


class Remote(Doubling):
    """A doubling model that needs a service."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        self.service.ask()
        return super().predict_batch(batch)


class RemoteAtLoad(Remote):
    """One that looks for its service when it is loaded."""

    def load(self, device: str = "cpu") -> None:
        self.service.ask()
        super().load(device)


class PreparingRemote(Remote):
    """One whose service is needed to prepare a batch."""

    def prepare_batch(self, batch: Sequence[Number]) -> list[Number]:
        self.service.ask()
        return list(batch)

    def predict_prepared(self, prepared: Sequence[Number]) -> list[dict[str, float]]:
        return Doubling.predict_batch(self, prepared)


class LearningRemote(Remote):
    """Adds the sum of what it has learned; learning needs the service too."""

    learn_every = 4
    total = 0.0

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        self.service.ask()
        return [{"y": event.x + self.total} for event in batch]

    def learn_batch(self, batch: Sequence[Number]) -> None:
        self.service.ask()
        self.total += sum(event.x for event in batch)

    def update(self) -> None: ...

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None: ...


def refusing(num_times: int, answer: Any = 1) -> Any:
    left = iter(range(num_times))

    def call() -> Any:
        for _ in left:
            raise Unavailable("the service is away")
        return answer

    return call


def test_a_call_is_repeated_until_it_answers() -> None:
    waited: list[float] = []
    calls = ModelCalls("agent", waited.append)
    assert calls.run(refusing(2, answer=7)) == 7
    assert len(waited) == 2
    assert calls.problem == ""
    assert calls.longest_seconds() == 0


def test_other_errors_are_raised_at_once() -> None:
    def fails() -> None:
        raise InputError("no")

    with pytest.raises(InputError):
        ModelCalls("agent").run(fails)


def test_the_pause_that_a_service_asks_for_is_kept_within_limits() -> None:
    assert Unavailable("x", retry_after_seconds=-3).retry_after_seconds == 0
    pauses: list[float] = []
    calls = ModelCalls("agent")

    def wait(timeout: float | None = None) -> bool:
        pauses.append(timeout or 0.0)
        return False

    calls._closed.wait = wait  # type: ignore[method-assign]
    asked = iter([0.0, 2.0, 3600.0, 0.0])

    def call() -> str:
        for seconds in asked:
            raise Unavailable("busy", seconds)
        return "done"

    assert calls.run(call) == "done"
    assert pauses == [0.1, 2.0, 60.0, 0.8]


def test_it_says_what_it_waits_for_once(caplog: pytest.LogCaptureFixture) -> None:
    service, now = Service(), [100.0]
    calls = ModelCalls("agent", clock=lambda: now[0])
    with caplog.at_level(logging.WARNING):
        threads = [threading.Thread(target=calls.run, args=(service.ask,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until("two tries each", lambda: service.num_refused >= 6)
        now[0] = 112.0
        assert calls.problem == "http://scores:8000 answers 503, for 12 s"
        assert calls.longest_seconds() == 0, "waiting is not calling"
        service.back.set()
        for thread in threads:
            thread.join(10)
    assert calls.problem == ""
    said = [record.message for record in caplog.records]
    assert said == [
        "agent: http://scores:8000 answers 503: waiting for it; nothing is lost, "
        "/ready fails meanwhile",
        "agent: its model answers again, after 12 s",
    ]


def test_closing_ends_the_waiting() -> None:
    calls, ended = ModelCalls("agent"), []

    def call() -> None:
        try:
            calls.run(Service().ask)
        except asyncio.CancelledError:
            ended.append(True)

    thread = threading.Thread(target=call)
    thread.start()
    wait_until("it waits", lambda: bool(calls.problem))
    calls.close()
    thread.join(10)
    assert ended == [True]


def test_a_waiting_batch_is_not_halved() -> None:
    model = Remote(Service())
    calls = ModelCalls("agent")
    model.service.back.set()
    events = [Number(x=n) for n in range(4)]
    assert len(predict_each(lambda batch: calls.run(model.predict_batch, batch), events)) == 4
    assert model.batch_sizes == [4]


@pytest.mark.parametrize("kind", [Remote, PreparingRemote])
async def test_records_wait_for_the_service_in_order(kind: type[Remote]) -> None:
    service = Service()
    settings = replace(SETTINGS, concurrency=2)
    async with engine(lambda: kind(service), settings=settings) as e:
        for start in range(0, 30, 10):
            batch = e.batch(list(range(start, start + 10)), first_offset=start)
            await e.inference.submit([batch])
        await _is_waiting(e)
        assert e.sink.topic("doubles") == e.sink.topic("numbers.dlq") == []
        assert not e.tracker.watermark(("numbers", 0))
        service.back.set()
        await e.drained()
        # 13 is bad by itself: not being available hides no culprit.
        expected = [(n, 2.0 * n) for n in range(30) if n != 13]
        assert answers(e.sink.records["doubles", 0]) == expected
        assert e.accounts()["dead_lettered"] == 1
        assert e.inference.facts().waiting_for == ""


async def test_a_full_queue_stops_the_intake() -> None:
    service = Service()
    settings = replace(SETTINGS, batch=BatchSettings(max_batch_size=8, max_wait_seconds=0.01))
    async with engine(lambda: Remote(service), settings=settings) as e:
        batches = [e.batch([1] * 100, first_offset=100 * n) for n in range(20)]

        async def feed() -> None:
            for batch in batches:
                await e.inference.submit([batch])

        feeding = asyncio.create_task(feed())
        await _is_waiting(e)
        await asyncio.sleep(0.05)
        assert not feeding.done()
        assert e.accounts()["in"] <= 400
        service.back.set()
        await feeding
        await e.drained()
        assert e.accounts()["answered"] == 2000


async def test_a_model_that_learns_learns_each_step_once() -> None:
    service = Service()
    async with engine(lambda: LearningRemote(service)) as e:
        await e.inference.submit([e.batch([1] * 10), e.batch([1] * 10, partition=1)])
        await _is_waiting(e)
        service.back.set()
        await e.drained()
        for partition in (0, 1):
            found = [y for _, y in answers(e.sink.records["doubles", partition])]
            assert found == [1.0] * 4 + [5.0] * 4 + [9.0] * 2


async def test_loading_waits_too() -> None:
    service = Service()
    e = Engine(lambda: RemoteAtLoad(service), ListSink(), SETTINGS)
    starting = asyncio.create_task(e.inference.start())
    async with asyncio.timeout(10):
        while not e.inference.facts().waiting_for:
            await asyncio.sleep(0.002)
    assert not e.inference.facts().is_warm
    service.back.set()
    await starting
    assert e.inference.facts().is_warm
    await e.inference.stop()


async def test_a_stop_does_not_wait_for_the_service() -> None:
    service = Service()
    async with asyncio.timeout(10):
        async with engine(lambda: Remote(service)) as e:
            await e.inference.submit([e.batch([1, 2, 3])])
            await _is_waiting(e)
    assert e.sink.topic("doubles") == e.sink.topic("numbers.dlq") == []
    assert not e.tracker.watermark(("numbers", 0))
    assert e.failures == []


async def _is_waiting(e: Engine) -> None:
    async with asyncio.timeout(10):
        while not e.inference.facts().waiting_for:
            await asyncio.sleep(0.002)
    assert e.inference.facts().waiting_for.startswith("http://scores:8000 answers 503, for ")
