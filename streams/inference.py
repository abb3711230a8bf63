"""The engine of every agent: decode, form micro-batches, prepare, predict, encode, deliver.

Each step handles all available records at once: `submit` takes the records of one fetch from all
partitions of a topic, and a micro-batch mixes partitions. On a live stream a fetch holds only one
or two records of each partition, so this avoids the cost of a step for each partition.

Two tasks run, with a queue between them. `_form` takes a micro-batch whenever a model copy has a
free slot, and starts its prediction. `_deliver` awaits the predictions in the order of forming, so
results leave in order although batches overlap: while batch n is on the device, batch n+1 is
prepared and batch n-1 is encoded.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mode import Service

from streams.batching import Chunk, MicroBatch
from streams.delivery import Delivery
from streams.encoded_output import EncodedOutput
from streams.encoding import ResultEncoder, Timings
from streams.event_times import EventTimes, Implausible
from streams.executor import MAX_INLINE_SECONDS, InlineOrPool
from streams.health.agent_metrics import AgentMetrics
from streams.health.anomalies import num_anomalies
from streams.health.health import AgentFacts
from streams.health.outcomes import Filtered
from streams.ingest import BatchDecoder, Deadline, Ingest, Ingested
from streams.micro_batcher import MicroBatcher, positions_of_stale
from streams.model_pool import ModelPool
from streams.online import Update
from streams.out_of_memory import BatchSizeLimit
from streams.records import RecordBatch
from streams.registry.supply import SchemaSupply
from streams.row_reads import RowReads
from streams.settings import AgentSettings
from streams.sink import ProduceError
from streams.trace_context import BatchTracer

logger = logging.getLogger(__name__)

#: `submit` blocks an input topic while two full batches of its decoded events wait for the model,
#: or this many events if that is more. Further records wait as bytes, which need less memory.
_MIN_WAITING = 256

Answered = tuple[list[Any], list[Update], Timings]


class Inference(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """The engine of one agent. Call `submit` with record batches; it sends results by itself."""

    def __init__(
        self,
        agent: str,
        settings: AgentSettings,
        *,
        decoder: BatchDecoder,
        pool: ModelPool,
        encoder: ResultEncoder,
        delivery: Delivery,
        metrics: AgentMetrics,
        host: ThreadPoolExecutor,
        preparing: ThreadPoolExecutor | None = None,
        schemas: SchemaSupply | None = None,
        tracer: BatchTracer | None = None,
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
        self._busy = metrics.busy
        self._decoding = InlineOrPool(host, max_inline_seconds)
        self._encoding = InlineOrPool(host, max_inline_seconds)
        self._preparing = preparing or host
        self._schemas = schemas
        self._tracer = tracer
        self._clock = clock
        self._lanes = {topic: lane for lane, topic in enumerate(settings.inputs)}
        self._batcher: MicroBatcher[Any] = MicroBatcher(batch, len(self._lanes))
        self._max_waiting = max(_MIN_WAITING, 2 * batch.max_batch_size)
        if decoder.reads_files:  # the pictures of waiting events are no bytes of the intake
            self._max_waiting = 2 * batch.max_batch_size
        seconds = settings.deadline_seconds
        self._deadline = None if seconds is None else Deadline(seconds, wall_clock)
        self._event_times = EventTimes(settings.event_time.implausible, wall_clock)
        self._warned_of_times: set[str] = set()
        """Input topics of which an implausible event time has been logged."""
        self._ingest = Ingest(decoder, self._deadline, self._event_times)
        self._row_reads = RowReads(agent, self._ingest, clock) if decoder.reads_files else None
        self._limit = BatchSizeLimit(agent, batch.max_batch_size, metrics, pool.free_memory)
        self._arrived = asyncio.Event()
        """Set when something changed that may let a batch leave."""
        self._room = asyncio.Event()
        """Set when events left the queue, so that `submit` may continue."""
        self._slots = asyncio.Semaphore(pool.num_slots)
        self._num_answering = 0
        self._answering: set[asyncio.Future[Answered]] = set()
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
        """Return the agent's present state for `Health`; thread-safe."""
        return AgentFacts(
            is_warm=self.pool.is_warm,
            num_unfinished=self._metrics.num_in_flight,
            num_done=self._metrics.num_done,
            delivery_seconds=self._delivery.waiting_seconds(),
            call_seconds=self.pool.calls.longest_seconds(),
            waiting_for=self._waiting_for(),
        )

    def _waiting_for(self) -> str:
        """Return what records wait for before they are decoded, in words; "" if nothing."""
        sources = (self._schemas, self._row_reads, self.pool.calls)
        return next((s.problem for s in sources if s is not None and s.problem), "")

    @property
    def label(self) -> str:
        """The name in logs and in the service tree."""
        return f"Inference: {self.agent}"

    async def on_start(self) -> None:
        """Load the model copies on another thread, unless they are loaded already."""
        await asyncio.get_running_loop().run_in_executor(None, self.pool.load)

    async def on_stop(self) -> None:
        """Drop the records in work; they are not finished, so they will be read again."""
        if self._row_reads is not None:
            self._row_reads.close()
        await self._delivery.close()
        self.pool.close()

    async def on_shutdown(self) -> None:
        """Cancel what still waits for a model; a running model call ends by itself."""
        for answer in self._answering:
            answer.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def submit(self, fetched: Sequence[RecordBatch]) -> None:
        """Decode and queue record batches of one topic; return once there is room for more.

        Args:
            fetched: at least one batch, from any partitions. The results of a partition leave in
                the order of the `submit` calls and of the batches within a call.
        """
        batches = [batch for batch in fetched if batch.span.is_live]
        if self._schemas is not None:
            batches = await self._schemas.fetched(batches, lambda: self.should_stop)
        if not batches:  # the partitions were revoked: another worker reads their records
            return
        topic = batches[0].tp.topic
        lane = self._lanes[topic]
        if self._row_reads is not None:
            await self._submit_rows(self._row_reads, batches, lane)
            return
        self._take(batches)
        started = self._clock()
        num_bytes = sum(batch.span.num_bytes for batch in batches)
        with self._busy:
            ingested = await self._decoding.run(num_bytes, self._ingest.read, batches)
        self._metrics.stage("decode", self._clock() - started)
        for batch, read in zip(batches, ingested, strict=True):
            self._finish_unanswered(batch, read)
            self._batcher.add(read.chunk, lane)
        self._arrived.set()
        await self._wait_for_room(lane)

    def _take(self, batches: Sequence[RecordBatch]) -> None:
        """Count record batches as in work: a worker that stops waits until they are finished."""
        for batch in batches:
            batch.span.taken = True
        num_records = sum(len(b) for b in batches if not b.is_catch_up)
        self._metrics.took_in(batches[0].tp.topic, num_records)

    async def _submit_rows(
        self, row_reads: RowReads, batches: Sequence[RecordBatch], lane: int
    ) -> None:
        """Decode and queue rows in small groups: their pictures are elsewhere, and may be large."""
        for batch in batches:
            started, num_read = self._clock(), 0
            async for group in row_reads.read(batch, lambda: self.should_stop):
                if not num_read:  # one whose pictures can't be read yet is not waited for
                    self._take([batch])
                self._metrics.stage("decode", self._clock() - started)
                for read in group:
                    self._finish_unanswered(batch, read)
                    self._batcher.add(read.chunk, lane)
                num_read += len(group)
                self._arrived.set()
                await self._wait_for_room(lane)
                started = self._clock()
            if num_read and not batch.span.is_live and not batch.is_catch_up:
                self._metrics.handed_back(batch.tp.topic, len(batch) - num_read)

    async def _wait_for_room(self, lane: int) -> None:
        while self._batcher.num_waiting(lane) >= self._max_waiting and not self.should_stop:
            self._room.clear()
            await self._room.wait()

    def _finish_unanswered(self, batch: RecordBatch, read: Ingested) -> None:
        """Finish the rows that are not sent to the model."""
        if batch.is_catch_up:
            filtered = [row for rows in read.filtered.values() for row in rows]
            failed = [row for row, _ in read.failed]
            self._delivery.caught_up(batch, [*read.tombstones, *filtered, *failed])
        else:
            for reason, rows in read.filtered.items():
                self._delivery.filtered(batch, rows, Filtered(reason))
            self._delivery.filtered(batch, read.tombstones, Filtered.TOMBSTONE)
            self._delivery.spawn_dead_letters(batch, read.failed)
            if read.implausible is not None:
                self._report_times(batch.tp.topic, read.implausible)
        if read.expired is not None:
            self._finish_expired(read.expired)

    def _report_times(self, topic: str, found: Implausible) -> None:
        """Count implausible event times, and log the first of each topic."""
        self._metrics.implausible_times(topic, found.num_events)
        if topic not in self._warned_of_times:
            self._warned_of_times.add(topic)
            logger.warning(
                "%s: implausible event time: %s; %s (event_time.implausible), and further ones are "
                "only counted (penstock_implausible_event_times_total)",
                self.agent, found.example, self._event_times.consequence,
            )  # fmt: skip

    def _finish_expired(self, chunk: Chunk[Any]) -> None:
        """Finish events older than the deadline, as the setting `expired` says."""
        assert self._deadline is not None
        if self.settings.expired == "filter":
            self._delivery.filtered(chunk.batch, chunk.rows, Filtered.EXPIRED)
            return
        self._delivery.spawn_dead_letters(chunk.batch, self._deadline.errors(chunk))

    @Service.task  # type: ignore[untyped-decorator]
    async def _form(self) -> None:
        while not self.should_stop:
            await self._slots.acquire()
            batch = await self._next_batch()
            self._num_answering += 1
            answer = asyncio.ensure_future(self._answer(batch))
            self._answering.add(answer)
            answer.add_done_callback(self._answered)
            await self._answers.put((batch, answer))

    async def _next_batch(self) -> MicroBatch[Any]:
        while True:
            self._remove_expired()
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
        """Whether a model copy is idle and no answer waits to be delivered.

        If delivery is slower than the model, a batch that left early would only wait there.
        """
        return self._num_answering < self.pool.num_copies and self._answers.empty()

    def _remove_expired(self) -> None:
        """Finish events that expired while they waited, so that they take no place in a batch."""
        if self._deadline is None:
            return
        deadline = self._deadline
        expired = self._batcher.remove(deadline.expired)
        for chunk in expired:
            self._finish_expired(chunk)
        if expired:
            self._room.set()

    async def _answer(self, batch: MicroBatch[Any]) -> Answered:
        """Answer a micro-batch and free its slot; failures of the model are answers too."""
        try:
            started = self._clock()
            if self._tracer is not None:
                batch.trace = self._tracer.begin(batch)
            with self._busy:
                answered = await self.pool.answer(batch, self._preparing, self._limit)
            answers, updates, timed = answered
            for stage, seconds in timed.items():
                self._metrics.stage(stage, seconds)
            waited = started - batch.oldest_arrival
            self._metrics.batch(len(batch), waited)
            if batch.trace is not None:
                for stage, seconds in (*timed.items(), ("queue", waited)):
                    batch.trace.stage(stage, seconds)
            return answers, updates, Timings(len(batch), waited, timed["predict"])
        finally:
            self._num_answering -= 1
            self._slots.release()
            self._arrived.set()

    def _answered(self, answer: asyncio.Future[Answered]) -> None:
        self._answering.discard(answer)
        if not answer.cancelled():
            answer.exception()  # retrieved: after a stop, nothing awaits it any more

    @Service.task  # type: ignore[untyped-decorator]
    async def _deliver(self) -> None:
        while not self.should_stop:
            batch, answer = await self._answers.get()
            self._arrived.set()
            answers, updates, timings = await answer
            started = self._clock()
            if found := num_anomalies(answers):
                self._metrics.anomalies(found)
            with self._busy:
                encoded = await self._encoding.run(
                    len(answers), self._encode, batch, answers, updates, timings
                )
            trace = batch.trace
            del batch, answer, answers
            self._metrics.stage("encode", self._clock() - started)
            started = self._clock()
            try:
                await self._delivery.results(encoded)
            except ProduceError as error:
                if trace is not None:
                    trace.end(0, error)
                await self._delivery.on_failure(error)
                return
            if trace is not None:
                trace.end(sum(len(c.failed) for output in encoded for c in output.chunks))
            self._metrics.stage("deliver", self._clock() - started)

    def _encode(
        self,
        batch: MicroBatch[Any],
        answers: list[Any],
        updates: list[Update],
        timings: Timings,
    ) -> list[EncodedOutput]:
        encoded = self._encoder.encode(batch, answers, updates, timings)
        # Free these thousands of objects here, not later on the event loop's thread.
        batch.chunks.clear()
        answers.clear()
        return encoded

    def drop_stale(self) -> None:
        """Drop waiting events of partitions that were given up."""
        for chunk in self._batcher.remove(positions_of_stale):
            if not chunk.batch.is_catch_up:
                self._metrics.handed_back(chunk.batch.tp.topic, chunk.num_records)
        self._room.set()
