"""Plays a random world with the real engine, assignment and tracker, and checks the invariants."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
from prometheus_client.registry import Collector

from streams import inference, model_pool
from streams.assignment import AssignedPartitions
from streams.batching import MicroBatch
from streams.health.outcomes import Filtered
from streams.records import RecordBatch, TopicPartition
from tests.fakes import record_batch
from tests.streams.engines import Engine
from tests.streams.worlds import (
    UNLUCKY,
    WALL,
    Arrival,
    Model,
    Numbered,
    Rebalance,
    Record,
    SlowSink,
    World,
)
from tests.virtual_time import VirtualExecutor, VirtualLoop, cycle

Counted: TypeAlias = Collector

FETCH_RECORDS = 5
#: Replaces the engine's constant, so that small worlds cause back-pressure.
MIN_WAITING = 4


@dataclass
class _Partition:
    """One input partition with its log, as the transport reads it."""

    log: list[tuple[bytes | None, Record]] = field(default_factory=list)
    position: int = 0
    started_at: int = 0
    """The offset at which this worker began to read it."""
    is_held: bool = True
    checked_to: int = 0
    """Every record below this offset has been checked to be finished."""


class Run:
    """Plays a world to its end."""

    def __init__(self, world: World, loop: VirtualLoop) -> None:
        self.world, self._loop = world, loop
        settings = world.settings
        self.models: list[Model] = []
        self.sink = SlowSink(world)
        with pytest.MonkeyPatch.context() as patch:
            model_seconds = cycle(world.model_seconds)
            patch.setattr(inference, "_MIN_WAITING", MIN_WAITING)
            patch.setattr(
                model_pool, "device_executor", lambda name: VirtualExecutor(loop, model_seconds)
            )
            self.engine = Engine(
                self._new_model,
                self.sink,
                settings,
                event_type=Numbered,
                host=VirtualExecutor(loop, cycle(world.host_seconds), num_workers=2),
                max_inline_seconds=world.max_inline_seconds,
                clock=loop.time,
                wall_clock=self.wall_clock,
            )
        self.engine.pool.load()
        self.tracker = self.engine.tracker
        self.assigned = AssignedPartitions(
            {topic: settings.intake for topic in settings.inputs}, self.engine.metrics
        )
        self.assigned.tracker = self.tracker
        self.assigned.on_change(self.engine.inference.drop_stale, self.engine.pool.keep_only)
        self.partitions: dict[TopicPartition, _Partition] = defaultdict(_Partition)
        self.filtered: dict[tuple[TopicPartition, int], Filtered] = {}
        self._queues: dict[str, asyncio.Queue[list[RecordBatch]]] = {
            topic: asyncio.Queue() for topic in settings.inputs
        }
        self._check_batches_and_filters()

    def _new_model(self) -> Model:
        self.models.append(Model(self.world))
        return self.models[-1]

    def wall_clock(self) -> float:
        """Return the world's Unix time in seconds."""
        return WALL + self._loop.time()

    def _check_batches_and_filters(self) -> None:
        """Check every batch when it is formed, and every record when it is filtered."""
        batcher, delivery = self.engine.inference._batcher, self.engine.delivery
        take, filter_rows = batcher.take, delivery.filtered

        def checked_take(now: float, is_idle: bool = False) -> MicroBatch[Any] | None:
            batch = take(now, is_idle)
            if batch is not None:
                self._check_batch(batch)
            return batch

        def checked_filter(batch: RecordBatch, rows: Sequence[int], reason: Filtered) -> None:
            for row in rows:
                self._check_filtered(batch, row, reason)
            filter_rows(batch, rows, reason)

        batcher.take = checked_take  # type: ignore[method-assign]
        delivery.filtered = checked_filter  # type: ignore[method-assign]

    def _check_batch(self, batch: MicroBatch[Any]) -> None:
        settings, events = self.world.settings.batch, batch.events
        assert 1 <= len(events) <= settings.max_batch_size
        for event in events:
            assert not self._is_expired(event.event_time_ms)

    def _is_expired(self, event_time_ms: int) -> bool:
        seconds = self.world.settings.deadline_seconds
        return seconds is not None and event_time_ms < (self.wall_clock() - seconds) * 1000

    def _check_filtered(self, batch: RecordBatch, row: int, reason: Filtered) -> None:
        value = batch.values[row]
        if reason == Filtered.TOMBSTONE:
            assert value is None
        else:
            assert value is not None
            assert self._is_expired(json.loads(value)["event_time_ms"])
        if batch.span.is_live:
            self.filtered[batch.tp, batch.offsets[row]] = reason

    async def play(self) -> None:
        """Play all events of the world, and return when every record is finished."""
        async with self.engine.inference:
            streams = [asyncio.create_task(self._stream(topic)) for topic in self._queues]
            actions = [asyncio.create_task(self._arrive(a)) for a in self.world.arrivals]
            actions += [asyncio.create_task(self._rebalance(r)) for r in self.world.rebalances]
            try:
                async with asyncio.timeout(600):
                    while not all(task.done() for task in actions) or not self.is_settled():
                        self._fetch()
                        self.check()
                        assert self.engine.inference.crash_reason is None
                        await asyncio.sleep(self.world.fetch_seconds)
            finally:
                for task in streams:
                    task.cancel()
            for task in actions:
                task.result()
        assert self.engine.failures == []

    async def _stream(self, topic: str) -> None:
        while True:
            await self.engine.inference.submit(await self._queues[topic].get())

    async def _arrive(self, arrival: Arrival) -> None:
        await asyncio.sleep(arrival.at)
        log = self.partitions[arrival.tp].log
        for record in arrival.records:
            log.append((self._value(record, len(log)), record))

    def _value(self, record: Record, offset: int) -> bytes | None:
        if record.kind == "tombstone":
            return None
        if record.kind == "broken":
            return b"{bad"
        x = UNLUCKY if record.kind == "unlucky" else offset + 100
        event_time_ms = int((self.wall_clock() - record.age) * 1000)
        return json.dumps({"x": x, "event_time_ms": event_time_ms}).encode()

    async def _rebalance(self, rebalance: Rebalance) -> None:
        await asyncio.sleep(rebalance.at)
        state = self.partitions[rebalance.tp]
        if not state.is_held:
            return
        watermark = self.tracker.watermark(rebalance.tp)
        state.started_at = state.started_at if watermark is None else watermark
        state.is_held = False
        self.assigned.give_up([rebalance.tp])
        if rebalance.away is not None:
            await asyncio.sleep(rebalance.away)
            state.position, state.is_held = state.started_at, True

    def _fetch(self) -> None:
        by_topic: dict[str, list[RecordBatch]] = defaultdict(list)
        for tp, state in self.partitions.items():
            if not state.is_held or self.assigned.is_full(tp) or state.position == len(state.log):
                continue
            fetched = state.log[state.position : state.position + FETCH_RECORDS]
            batch = record_batch(
                [value for value, _ in fetched],
                tracker=self.tracker,
                topic=tp.topic,
                partition=tp.partition,
                first_offset=state.position,
                arrived=self._loop.time(),
            )
            state.position += len(fetched)
            by_topic[tp.topic].append(batch)
        for topic, batches in by_topic.items():
            parts = [batches] if self.world.is_joined else [[batch] for batch in batches]
            for part in parts:
                self._queues[topic].put_nowait(part)

    def is_settled(self) -> bool:
        """Whether all records of the held partitions are finished, and none is in flight."""
        return _total(self.engine.metrics.in_flight) == 0 and all(
            state.position == len(state.log) and self.tracker.under_way(tp) == (0, 0)
            for tp, state in self.partitions.items()
            if state.is_held
        )

    def check(self) -> None:
        """Check the invariants that hold at any time."""
        self._check_accounts()
        self._check_limits()
        for tp, state in self.partitions.items():
            watermark = self.tracker.watermark(tp) or state.checked_to
            for offset in range(state.checked_to, watermark):
                assert self.is_finished(tp, offset), (tp, offset, watermark)
            state.checked_to = watermark

    def is_finished(self, tp: TopicPartition, offset: int) -> bool:
        """Whether a record's result or dead letter is acknowledged, or it was filtered."""
        key = tp, offset
        return key in self.sink.results or key in self.sink.letters or key in self.filtered

    def _check_accounts(self) -> None:
        metrics = self.engine.metrics
        num_in, handed_back = _total(metrics.records_in), _total(metrics.handed_back)
        assert num_in == _total(metrics.records) + handed_back + _total(metrics.in_flight)
        filtered = Counter(_samples(metrics.filtered, "reason"))
        assert sum(filtered.values()) == _samples(metrics.records, "outcome")["filtered"]

    def _check_limits(self) -> None:
        settings, inference = self.world.settings, self.engine.inference
        for tp in self.partitions:
            num_records, _ = self.tracker.under_way(tp)
            assert num_records < settings.intake.max_records + FETCH_RECORDS
        most = max(MIN_WAITING, 2 * settings.batch.max_batch_size)
        # Each fetch may return FETCH_RECORDS of each of a topic's three partitions.
        for lane in range(len(settings.inputs)):
            assert inference._batcher.num_waiting(lane) < most + 3 * FETCH_RECORDS


def _samples(metric: Counted, label: str) -> dict[str, float]:
    """Return a metric's values, summed by one of its labels."""
    sums: Counter[str] = Counter()
    for family in metric.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                sums[sample.labels[label]] += int(sample.value)
    return dict(sums)


def _total(metric: Counted) -> float:
    return sum(_samples(metric, "agent").values())
