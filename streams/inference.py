"""What happens to a batch, once for all agents: decode, form, prepare, predict, encode, deliver.

Two tasks and a queue between them. `_form` takes a micro-batch whenever a model copy is free and
starts its answer; `_deliver` awaits the answers in the order of forming, so results leave in
order although batches overlap: while batch n is on the device, n+1 is prepared and n-1 encoded.
Only where events are sorted into buckets by size is that not yet the order of a partition's
records: there a `Resequencer` restores it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mode import Service

from streams.batching import Chunk, MicroBatch
from streams.bucketing import Measure, Sorter
from streams.deadlines import Deadline
from streams.decoding import Decoder
from streams.delivery import Delivery
from streams.encoding import EncodedChunk, EncodedOutput, ResultEncoder, Timings
from streams.executor import run_on
from streams.health.health import AgentFacts
from streams.health.metrics import AgentMetrics, Filtered
from streams.ingest import Read, Reader
from streams.micro_batcher import MicroBatcher
from streams.model_pool import ModelPool
from streams.online import Update
from streams.out_of_memory import BatchSizeLimit
from streams.protocols import ProduceError
from streams.records import RecordBatch
from streams.resequencing import Resequencer
from streams.settings import AgentSettings
from streams.waiting import positions_of_stale

#: Decoded events of an input topic that may wait for the model before `submit` holds that topic
#: back: a full batch for each bucket (so that one of them is full, and a batch can leave), but not
#: less than this. More would only grow cold: they wait as bytes just as well.
_MIN_WAITING = 256

T = TypeVar("T")

Answered = tuple[list[Any], list[Update], Timings]


class Inference(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """One agent's engine. `submit` record batches; results and dead letters leave by themselves."""

    def __init__(
        self,
        agent: str,
        settings: AgentSettings,
        *,
        decoder: Decoder[Any],
        pool: ModelPool,
        encoder: ResultEncoder,
        delivery: Delivery,
        metrics: AgentMetrics,
        host: ThreadPoolExecutor,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        batch = settings.batch
        self.agent = agent
        self.settings = settings
        self.pool = pool
        self._encoder = encoder
        self._delivery = delivery
        self._metrics = metrics
        self._host = host
        self._clock = clock
        self._lanes = {topic: lane for lane, topic in enumerate(settings.inputs)}
        self._batcher: MicroBatcher[Any] = MicroBatcher(batch, len(self._lanes))
        self._max_waiting = max(_MIN_WAITING, batch.max_batch_size * (len(batch.buckets) + 1))
        seconds = settings.deadline_seconds
        self._deadline = None if seconds is None else Deadline(seconds, wall_clock)
        sorter = Sorter(batch, _measure_of(pool)) if batch.measures else None
        self._reader = Reader(
            decoder, is_online=pool.is_online, deadline=self._deadline, sorter=sorter
        )
        self._resequencer = Resequencer() if batch.buckets else None
        self._limit = BatchSizeLimit(agent, batch.max_batch_size, metrics, pool.free_memory)
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._slots = asyncio.Semaphore(pool.num_slots)
        self._answers: asyncio.Queue[tuple[MicroBatch[Any], asyncio.Future[Answered]]] = (
            asyncio.Queue(maxsize=pool.num_slots + 1)
        )

    @property
    def topics(self) -> list[str]:
        """What it reads."""
        return self.settings.inputs

    @property
    def call_limit_seconds(self) -> float | None:
        """How long a model call may take; a model in a process of its own is seen to there."""
        is_threaded = self.settings.isolation == "thread"
        return self.settings.predict_timeout_seconds if is_threaded else None

    def facts(self) -> AgentFacts:
        """Return how it stands now, for `Health`; from any thread."""
        return AgentFacts(
            is_warm=self.pool.is_warm,
            num_unfinished=self._metrics.num_in_flight,
            num_done=self._metrics.num_done,
            delivery_seconds=self._delivery.waiting_seconds(),
            call_seconds=self.pool.calls.longest_seconds(),
        )

    @property
    def label(self) -> str:
        """The name in logs and service trees."""
        return f"Inference: {self.agent}"

    async def on_start(self) -> None:
        """Load the model copies, off the loop, unless that has been done."""
        await asyncio.get_running_loop().run_in_executor(None, self.pool.load)

    async def on_stop(self) -> None:
        """Give up what is under way: it was not finished, so it will be read again."""
        await self._delivery.close()
        self.pool.close()

    async def submit(self, batch: RecordBatch) -> None:
        """Take in a record batch; returns as soon as there is room for another.

        The order of `submit` calls is the order of results, per partition.
        """
        if not batch.span.is_live:  # a rebalance took the partition; it is read again elsewhere
            return
        batch.span.taken = True
        topic = batch.tp.topic
        if not batch.is_replay:
            self._metrics.took_in(topic, len(batch))
        started = self._clock()
        read = await run_on(self._host, self._reader.read, batch)
        self._metrics.stage("decode", self._clock() - started)
        if batch.is_replay:
            self._delivery.replayed(batch, [*read.tombstones, *(row for row, _ in read.failed)])
        else:
            self._delivery.filtered(batch, read.tombstones, Filtered.TOMBSTONE)
            self._delivery.spawn_dead_letters(batch, read.failed)
        if read.expired is not None:
            self._give_up(read.expired)
        self._add(batch, read)
        lane = self._lanes[topic]
        while self._batcher.num_waiting(lane) >= self._max_waiting and not self.should_stop:
            self._room.clear()
            await self._room.wait()

    def _add(self, batch: RecordBatch, read: Read) -> None:
        if self._resequencer is not None:
            rows = sorted(row for _, chunk in read.chunks for row in chunk.rows)
            self._resequencer.expect(batch, rows)
        for bucket, chunk in read.chunks:
            self._batcher.add(chunk, bucket, self._lanes[batch.tp.topic])
        self._arrived.set()

    def _give_up(self, chunk: Chunk[Any]) -> None:
        """Finish events that are older than the deadline, in the way that is asked for."""
        assert self._deadline is not None
        if self.settings.expired == "filter":
            self._delivery.filtered(chunk.batch, chunk.rows, Filtered.EXPIRED)
            return
        errors = map(self._deadline.error, chunk.events)
        self._delivery.spawn_dead_letters(chunk.batch, list(zip(chunk.rows, errors, strict=True)))

    @Service.task  # type: ignore[untyped-decorator]
    async def _form(self) -> None:
        while not self.should_stop:
            await self._slots.acquire()
            batch = await self._next_batch()
            answer = asyncio.ensure_future(self._answer(batch))
            await self._answers.put((batch, answer))

    async def _next_batch(self) -> MicroBatch[Any]:
        while True:
            if await self._gave_up_expired():
                continue  # that may have taken a while
            self._batcher.limit_size(self._limit.size)
            batch = self._batcher.take(self._clock())
            if batch is not None:
                self._room.set()
                return batch
            due_at = self._batcher.due_at()
            self._arrived.clear()
            timeout = None if due_at is None else max(due_at - self._clock(), 0.0)
            try:
                await asyncio.wait_for(self._arrived.wait(), timeout)
            except TimeoutError:
                continue

    async def _gave_up_expired(self) -> bool:
        """Finish what has grown too old while it waited, so that it takes no place in a batch."""
        if self._deadline is None:
            return False
        deadline = self._deadline
        expired = self._batcher.remove(lambda chunk: deadline.expired(chunk.events))
        for chunk in expired:
            self._give_up(chunk)
            if self._resequencer is not None:
                self._resequencer.give_up(chunk.batch, chunk.rows)
        if expired:
            self._room.set()
            if self._resequencer is not None:
                await self._answers.put(self._nothing())
        return bool(expired)

    def _nothing(self) -> tuple[MicroBatch[Any], asyncio.Future[Answered]]:
        """Return an empty batch, answered: with it leaves what waited for rows given up."""
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        answer.set_result(([], [], Timings(0, 0.0, 0.0)))
        return MicroBatch([], None, self._clock()), answer

    async def _answer(self, batch: MicroBatch[Any]) -> Answered:
        """Answer a micro-batch and free its slot; the model's own failures are answers too."""
        try:
            started = self._clock()
            answers, updates, timed = await self.pool.answer(batch, self._host, self._limit)
            for stage, seconds in timed.items():
                self._metrics.stage(stage, seconds)
            waited = started - batch.oldest_arrival
            self._metrics.batch(len(batch), waited)
            return answers, updates, Timings(len(batch), waited, timed["predict"])
        finally:
            self._slots.release()

    async def _encode(
        self,
        batch: MicroBatch[Any],
        answers: list[Any],
        updates: list[Update],
        timings: Timings,
    ) -> list[EncodedOutput]:
        """Encode answers on the pool; return what may leave now, in order per partition."""
        work = (batch, answers, updates, timings)
        if self._resequencer is None:
            return await run_on(self._host, _freeing, self._encoder.encode, *work)
        chunks: list[EncodedChunk]
        chunks = await run_on(self._host, _freeing, self._encoder.encode_chunks, *work)
        leaving = self._resequencer.answered(chunks)
        return await run_on(self._host, self._encoder.join, leaving) if leaving else []

    @Service.task  # type: ignore[untyped-decorator]
    async def _deliver(self) -> None:
        while not self.should_stop:
            batch, answer = await self._answers.get()
            answers, updates, timings = await answer
            started = self._clock()
            encoded = await self._encode(batch, answers, updates, timings)
            del batch, answer, answers
            self._metrics.stage("encode", self._clock() - started)
            started = self._clock()
            try:
                await self._delivery.results(encoded)
            except ProduceError as error:
                await self._delivery.on_failure(error)
                return
            self._metrics.stage("deliver", self._clock() - started)

    def drop_stale(self) -> None:
        """Forget what waits of partitions that were given up."""
        for chunk in self._batcher.remove(positions_of_stale):
            if not chunk.batch.is_replay:
                self._metrics.handed_back(chunk.batch.tp.topic, len(chunk.rows))
        if self._resequencer is not None:
            for batch, num_answers in self._resequencer.drop_stale():
                self._metrics.handed_back(batch.tp.topic, num_answers)
        self._room.set()


def _freeing(encode: Callable[..., T], batch: MicroBatch[Any], answers: list[Any], *more: Any) -> T:
    encoded = encode(batch, answers, *more)
    # Thousands of objects: freed here rather than on the event loop's thread.
    batch.chunks.clear()
    answers.clear()
    return encoded


def _measure_of(pool: ModelPool) -> Measure:
    if pool.measure is None:
        raise ValueError(f"model {pool.name} has no measure_batch to find buckets by")
    return pool.measure
