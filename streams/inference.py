"""What happens to a batch, once for all agents: decode, form, prepare, predict, encode, deliver.

The unit of each hop is everything that is there: `submit` takes what one fetch brought of all
partitions of a topic, and a micro-batch mixes them, so that a live stream, whose fetches hold a
record or two of each partition, pays for a hop once and not once a partition.

Two tasks and a queue between them. `_form` takes a micro-batch whenever a model copy is free and
starts its answer; `_deliver` awaits the answers in the order of forming, so results leave in order
although batches overlap: while batch n is on the device, n+1 is prepared and n-1 encoded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mode import Service

from streams.batching import Chunk, MicroBatch
from streams.decoding import Decoder
from streams.delivery import Delivery
from streams.encoding import EncodedOutput, ResultEncoder, Timings
from streams.executor import MAX_INLINE_SECONDS, InlineOrPool
from streams.health.health import AgentFacts
from streams.health.metrics import AgentMetrics, Filtered
from streams.ingest import Deadline, Ingest, Ingested
from streams.micro_batcher import MicroBatcher, positions_of_stale
from streams.model_pool import ModelPool
from streams.online import Update
from streams.out_of_memory import BatchSizeLimit
from streams.protocols import ProduceError
from streams.records import RecordBatch
from streams.settings import AgentSettings

#: Decoded events of an input topic that may wait for the model before `submit` holds that topic
#: back: two full batches, but not less than this. More would only grow cold: they wait as bytes
#: just as well.
_MIN_WAITING = 256

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
        preparing: ThreadPoolExecutor | None = None,
        max_inline_seconds: float = MAX_INLINE_SECONDS,
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
        self._decoding = InlineOrPool(host, max_inline_seconds)
        self._encoding = InlineOrPool(host, max_inline_seconds)
        self._preparing = preparing or host
        self._clock = clock
        self._lanes = {topic: lane for lane, topic in enumerate(settings.inputs)}
        self._batcher: MicroBatcher[Any] = MicroBatcher(batch, len(self._lanes))
        self._max_waiting = max(_MIN_WAITING, 2 * batch.max_batch_size)
        seconds = settings.deadline_seconds
        self._deadline = None if seconds is None else Deadline(seconds, wall_clock)
        self._ingest = Ingest(decoder, self._deadline)
        self._limit = BatchSizeLimit(agent, batch.max_batch_size, metrics, pool.free_memory)
        self._arrived = asyncio.Event()
        """Something has changed that may let a batch leave."""
        self._room = asyncio.Event()
        self._slots = asyncio.Semaphore(pool.num_slots)
        self._num_answering = 0
        self._answers: asyncio.Queue[tuple[MicroBatch[Any], asyncio.Future[Answered]]] = (
            asyncio.Queue(maxsize=pool.num_slots + 1)
        )

    @property
    def topics(self) -> list[str]:
        """The input topics."""
        return self.settings.inputs

    @property
    def call_limit_seconds(self) -> float | None:
        """How long a model call may take; for `isolation: process`, `ProcessModel` enforces it."""
        is_threaded = self.settings.isolation == "thread"
        return self.settings.predict_timeout_seconds if is_threaded else None

    def facts(self) -> AgentFacts:
        """Return the agent's present state, for `Health`; from any thread."""
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

    async def submit(self, fetched: Sequence[RecordBatch]) -> None:
        """Take in record batches of one topic; returns as soon as there is room for others.

        Args:
            fetched: at least one, of any partitions. The order of `submit` calls, and within one
                the order of the batches, is the order of results of each partition.
        """
        batches = [batch for batch in fetched if batch.span.is_live]
        if not batches:  # a rebalance took the partitions; their records are read elsewhere
            return
        topic = batches[0].tp.topic
        for batch in batches:
            batch.span.taken = True
        self._metrics.took_in(topic, sum(len(b) for b in batches if not b.is_catch_up))
        started = self._clock()
        num_bytes = sum(batch.span.num_bytes for batch in batches)
        ingested = await self._decoding.run(num_bytes, self._ingest.read, batches)
        self._metrics.stage("decode", self._clock() - started)
        lane = self._lanes[topic]
        for batch, read in zip(batches, ingested, strict=True):
            self._finish_unanswered(batch, read)
            self._batcher.add(read.chunk, lane)
        self._arrived.set()
        while self._batcher.num_waiting(lane) >= self._max_waiting and not self.should_stop:
            self._room.clear()
            await self._room.wait()

    def _finish_unanswered(self, batch: RecordBatch, read: Ingested) -> None:
        """Finish the rows that do not go to the model."""
        if batch.is_catch_up:
            self._delivery.caught_up(batch, [*read.tombstones, *(row for row, _ in read.failed)])
        else:
            self._delivery.filtered(batch, read.tombstones, Filtered.TOMBSTONE)
            self._delivery.spawn_dead_letters(batch, read.failed)
        if read.expired is not None:
            self._give_up(read.expired)

    def _give_up(self, chunk: Chunk[Any]) -> None:
        """Finish events that are older than the deadline, as `expired` in the settings says."""
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
            self._num_answering += 1
            answer = asyncio.ensure_future(self._answer(batch))
            await self._answers.put((batch, answer))

    async def _next_batch(self) -> MicroBatch[Any]:
        while True:
            self._give_up_expired()
            self._batcher.limit_size(self._limit.size)
            batch = self._batcher.take(self._clock(), self._is_idle())
            if batch is not None:
                self._room.set()
                return batch
            due_at = self._batcher.due_at()
            self._arrived.clear()
            if due_at is None:
                await self._arrived.wait()
                continue
            timer = asyncio.get_running_loop().call_later(
                max(due_at - self._clock(), 0.0), self._arrived.set
            )
            await self._arrived.wait()
            timer.cancel()

    def _is_idle(self) -> bool:
        """Whether a model copy waits for work, and no answer waits to be delivered.

        Where delivery is the slower part, batches that leave at once would only queue there.
        """
        return self._num_answering < self.pool.num_copies and self._answers.empty()

    def _give_up_expired(self) -> None:
        """Finish what has grown too old while it waited, so that it takes no place in a batch."""
        if self._deadline is None:
            return
        deadline = self._deadline
        expired = self._batcher.remove(lambda chunk: deadline.expired(chunk.events))
        for chunk in expired:
            self._give_up(chunk)
        if expired:
            self._room.set()

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
            self._num_answering -= 1
            self._slots.release()
            self._arrived.set()

    @Service.task  # type: ignore[untyped-decorator]
    async def _deliver(self) -> None:
        while not self.should_stop:
            batch, answer = await self._answers.get()
            self._arrived.set()
            answers, updates, timings = await answer
            started = self._clock()
            encoded = await self._encoding.run(
                len(answers), self._encode, batch, answers, updates, timings
            )
            del batch, answer, answers
            self._metrics.stage("encode", self._clock() - started)
            started = self._clock()
            try:
                await self._delivery.results(encoded)
            except ProduceError as error:
                await self._delivery.on_failure(error)
                return
            self._metrics.stage("deliver", self._clock() - started)

    def _encode(
        self,
        batch: MicroBatch[Any],
        answers: list[Any],
        updates: list[Update],
        timings: Timings,
    ) -> list[EncodedOutput]:
        encoded = self._encoder.encode(batch, answers, updates, timings)
        # Thousands of objects: freed here rather than later on the event loop's thread.
        batch.chunks.clear()
        answers.clear()
        return encoded

    def drop_stale(self) -> None:
        """Forget what waits of partitions that were given up."""
        for chunk in self._batcher.remove(positions_of_stale):
            if not chunk.batch.is_catch_up:
                self._metrics.handed_back(chunk.batch.tp.topic, len(chunk.rows))
        self._room.set()
