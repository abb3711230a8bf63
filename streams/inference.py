"""What happens to a batch, once for all agents: decode, form, prepare, predict, encode, deliver.

Two tasks and a queue between them. `_form` takes a micro-batch whenever a model copy is free and
starts its answer; `_deliver` awaits the answers in the order of forming, so results leave in
order although batches overlap: while batch n is on the device, n+1 is prepared and n-1 encoded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mode import Service

from streams.batching import Chunk, MicroBatch, MicroBatcher
from streams.decoding import Decoder
from streams.delivery import Delivery
from streams.encoding import EncodedOutput, ResultEncoder, Timings
from streams.executor import run_on
from streams.memory import BatchLimit
from streams.metrics import AgentMetrics
from streams.online import Update
from streams.protocols import ProduceError
from streams.records import RecordBatch
from streams.serving import Serving
from streams.settings import AgentSettings

#: Decoded events that may wait for the model before `submit` holds the agent back: a full batch,
#: but not less than this. More would only grow cold: they wait as bytes just as well.
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
        serving: Serving,
        encoder: ResultEncoder,
        delivery: Delivery,
        metrics: AgentMetrics,
        host: ThreadPoolExecutor,
        preparing: ThreadPoolExecutor | None = None,
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.agent = agent
        self.settings = settings
        self._decoder = decoder
        self.serving = serving
        self._encoder = encoder
        self._delivery = delivery
        self._metrics = metrics
        self._host = host
        self._preparing = preparing or host
        self._clock = clock
        self._batcher: MicroBatcher[Any] = MicroBatcher(settings.batch)
        self._limit = BatchLimit(agent, settings.batch.max_batch_size, metrics, serving.free_memory)
        self._max_waiting = max(_MIN_WAITING, settings.batch.max_batch_size)
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._slots = asyncio.Semaphore(serving.num_slots)
        self._answers: asyncio.Queue[tuple[MicroBatch[Any], asyncio.Future[Answered]]] = (
            asyncio.Queue(maxsize=serving.num_slots + 1)
        )

    @property
    def label(self) -> str:
        """The name in logs and service trees."""
        return f"Inference: {self.agent}"

    async def on_start(self) -> None:
        """Load the model copies, off the loop, unless that has been done."""
        await asyncio.get_running_loop().run_in_executor(None, self.serving.load)

    async def on_stop(self) -> None:
        """Give up what is under way: it was not finished, so it will be read again."""
        await self._delivery.close()
        self.serving.close()

    async def submit(self, batch: RecordBatch) -> None:
        """Take in a record batch; returns as soon as there is room for another.

        The order of `submit` calls is the order of results, per partition.
        """
        if not batch.span.is_live:  # a rebalance took the partition; it is read again elsewhere
            return
        batch.span.taken = True
        self._metrics.took_in(len(batch))
        started = self._clock()
        decoded = await run_on(self._host, self._decoder.decode, batch)
        self._metrics.stage("decode", self._clock() - started)
        self._delivery.filtered(batch, decoded.tombstones)
        self._delivery.spawn_dead_letters(batch, decoded.failed)
        self._batcher.add(Chunk(batch, decoded.rows, decoded.events), self._bucket(batch))
        self._arrived.set()
        while len(self._batcher) >= self._max_waiting and not self.should_stop:
            self._room.clear()
            await self._room.wait()

    def _bucket(self, batch: RecordBatch) -> Hashable:
        return batch.tp if self.serving.is_online else None

    @Service.task  # type: ignore[untyped-decorator]
    async def _form(self) -> None:
        while not self.should_stop:
            await self._slots.acquire()
            batch = await self._next_batch()
            answer = asyncio.ensure_future(self._answer(batch))
            await self._answers.put((batch, answer))

    async def _next_batch(self) -> MicroBatch[Any]:
        while True:
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

    async def _answer(self, batch: MicroBatch[Any]) -> Answered:
        """Answer a micro-batch and free its slot; the model's own failures are answers too."""
        try:
            started = self._clock()
            answers, updates, timed = await self.serving.answer(batch, self._preparing, self._limit)
            for stage, seconds in timed.items():
                self._metrics.stage(stage, seconds)
            waited = started - batch.oldest_arrival
            self._metrics.batch(len(batch), waited)
            return answers, updates, Timings(len(batch), waited, timed["predict"])
        finally:
            self._slots.release()

    def _encode(
        self,
        batch: MicroBatch[Any],
        answers: list[Any],
        updates: list[Update],
        timings: Timings,
    ) -> list[EncodedOutput]:
        encoded = self._encoder.encode(batch, answers, updates, timings)
        # Thousands of objects: freed here rather than on the event loop's thread.
        batch.chunks.clear()
        answers.clear()
        return encoded

    @Service.task  # type: ignore[untyped-decorator]
    async def _deliver(self) -> None:
        while not self.should_stop:
            batch, answer = await self._answers.get()
            answers, updates, timings = await answer
            started = self._clock()
            encoded = await run_on(self._host, self._encode, batch, answers, updates, timings)
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
        self._metrics.handed_back(self._batcher.drop_stale())
        self._room.set()
