"""The way out: results and dead letters to the broker, and what is finished once it has them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from schemas import InputError
from schemas.errors import ResultTooLargeError
from streams.dead_letters import MAX_BYTES, make_dead_letter
from streams.encoding import EncodedChunk, EncodedOutput
from streams.health.metrics import AgentMetrics, Filtered, Outcome
from streams.offsets import OffsetTracker
from streams.out_of_memory import drop_frames
from streams.protocols import Output, ProduceError, RecordSink, RecordTooLargeError, Rows
from streams.records import OutputRecords, PackedRecords, Packing, RecordBatch
from streams.settings import AgentSettings

logger = logging.getLogger(__name__)

Failed = Sequence[tuple[int, InputError]]

#: A dead letter that its topic refuses as too large is cut to the next of these and tried again.
_DEAD_LETTER_LIMITS = (MAX_BYTES, MAX_BYTES // 4, MAX_BYTES // 16, MAX_BYTES // 64, 4096)


class Delivery:
    """Sends one agent's output in order and marks rows as finished when it is acknowledged."""

    def __init__(
        self,
        agent: str,
        settings: AgentSettings,
        sink: RecordSink,
        tracker: OffsetTracker,
        metrics: AgentMetrics,
        on_failure: Callable[[BaseException], Coroutine[Any, Any, None]],
        packing: Packing | None = None,
    ) -> None:
        """Say where to send what.

        Args:
            agent: its name, for messages and dead letters.
            settings: its topics.
            sink: the way to the broker.
            tracker: of the records under way.
            metrics: of the agent.
            on_failure: what to do when the broker refuses output for good: end the worker.
            packing: of the output into producer batches; None: as by default.
        """
        self._agent = agent
        self._settings = settings
        self._sink = sink
        self._tracker = tracker
        self._metrics = metrics
        self.on_failure = on_failure
        self._packing = packing or Packing()
        self._under_way: dict[asyncio.Future[None], float] = {}
        """What waits for the broker, and since when, monotonic seconds."""
        self._sending: float | None = None
        """Since when the next output waits for its place, if it does."""

    async def results(self, outputs: Sequence[EncodedOutput]) -> None:
        """Queue a micro-batch's output, in order per output partition; returns before the acks.

        Dead letters, results and updates of a row are all with the broker before it is finished.
        """
        self._sending = time.monotonic()
        try:
            await self._results(outputs)
        finally:
            self._sending = None

    async def _results(self, outputs: Sequence[EncodedOutput]) -> None:
        sent: list[tuple[EncodedOutput, Awaitable[None]]] = []
        for output in outputs:
            for chunk in output.chunks:
                if chunk.batch.is_catch_up:
                    self.caught_up(chunk.batch, chunk.rows)
                elif chunk.batch.span.is_live:
                    self.spawn_dead_letters(chunk.batch, chunk.failed)
                else:  # its partition is another worker's by now
                    self._finish(chunk.batch, [*chunk.rows, *(row for row, _ in chunk.failed)])
            if (live := output.live(self._packing)) is not None:
                rows = [(chunk.batch.span, chunk.rows) for chunk in live.chunks]
                records = {self._settings.output: live.records}
                if self._settings.updates:
                    records[self._settings.updates] = live.updates
                sent.append((live, await self._send(live.chunks[0].batch, rows, records)))
        for output, delivered in sent:
            self._watch(asyncio.ensure_future(delivered), partial(self._on_delivered, output))

    async def _send(
        self, batch: RecordBatch, rows: Rows, records: Mapping[str, PackedRecords]
    ) -> Awaitable[None]:
        """Send to the output partitions that stand for the input's, so that order per key holds.

        Args:
            batch: of the input partition.
            rows: which the records finish.
            records: by topic.
        """
        outputs = [
            Output(topic, batch.tp.partition % await self._sink.num_partitions(topic), own)
            for topic, own in records.items()
            if own
        ]
        return await self._sink.send(rows, outputs)

    def _on_delivered(self, output: EncodedOutput, error: BaseException | None) -> None:
        if isinstance(error, RecordTooLargeError):
            logger.warning("%s: %s; its neighbours are sent one by one", self._agent, error)
            self._spawn(self._each_alone(output))
        elif error is not None:
            self._spawn(self.on_failure(error))
        else:
            self._settle(output)

    async def _each_alone(self, output: EncodedOutput) -> None:
        for chunk in output.unpack():
            await self._one_by_one(chunk)

    def _settle(self, output: EncodedOutput) -> None:
        """Finish the rows of an output that the broker has."""
        self._metrics.emitted(self._settings.output, len(output.records))
        if self._settings.updates and output.updates:
            self._metrics.emitted(self._settings.updates, len(output.updates))
        for chunk in output.chunks:
            self._answered(chunk.batch, chunk.rows)

    async def _one_by_one(self, chunk: EncodedChunk) -> None:
        """Find the results that their topic refuses: those rows become dead letters."""
        batch, topic = chunk.batch, self._settings.output
        if self._settings.updates and chunk.updates:
            updates = {self._settings.updates: chunk.updates.pack(self._packing)}
            self._spawn(self._updates_alone(await self._send(batch, [(batch.span, [])], updates)))
        sent: list[tuple[int, PackedRecords, Awaitable[None]]] = []
        stop = 0
        for row in chunk.rows:
            start = stop
            while stop < len(chunk.record_rows) and chunk.record_rows[stop] == row:
                stop += 1
            own = chunk.records.rows(start, stop).pack(self._packing)
            sent.append((row, own, await self._send(batch, [(batch.span, [row])], {topic: own})))
        for row, own, delivered in sent:
            try:
                await delivered
            except RecordTooLargeError as error:
                # At once: a transaction can't pass this row without its dead letter.
                self.spawn_dead_letters(batch, [(row, ResultTooLargeError(str(error)))])
            else:
                self._metrics.emitted(topic, len(own))
                self._answered(batch, [row])

    async def _updates_alone(self, delivered: Awaitable[None]) -> None:
        """Say which updates can't be had: an update is no input record's outcome."""
        try:
            await delivered
        except RecordTooLargeError as error:
            logger.error("%s: an update is lost: %s", self._agent, error)

    async def dead_letters(self, batch: RecordBatch, failed: Failed) -> None:
        """Write dead letters to the same partition of `<input>.dlq` and finish their rows."""
        if not failed:
            return
        for _, error in failed:
            drop_frames(error)
        topic = self._settings.dead_letter_topic(batch.tp.topic)
        for limit in _DEAD_LETTER_LIMITS:
            letters = OutputRecords.of(
                make_dead_letter(
                    self._agent, batch, *each, limit, self._settings.dead_letter_payload
                )
                for each in failed
            ).pack(self._packing)
            try:
                rows = [(batch.span, sorted(row for row, _ in failed))]
                await (await self._send(batch, rows, {topic: letters}))
            except RecordTooLargeError:
                continue
            self._dead_lettered(batch, failed)
            return
        raise ProduceError(
            f"topic {topic} refuses dead letters of "
            f"{_DEAD_LETTER_LIMITS[-1]} bytes: raise its max.message.bytes"
        )

    def _answered(self, batch: RecordBatch, rows: Sequence[int]) -> None:
        if self._finish(batch, rows):
            self._metrics.finished(batch.tp.topic, Outcome.ANSWERED, len(rows))
            self._metrics.ages_of(batch.timestamps_ms, rows)

    def _dead_lettered(self, batch: RecordBatch, failed: Failed) -> None:
        if self._finish(batch, [row for row, _ in failed]):
            self._metrics.finished(batch.tp.topic, Outcome.DEAD_LETTERED, len(failed))
            for _, error in failed:
                self._metrics.dead_lettered(batch.tp.topic, error.reason)

    def filtered(self, batch: RecordBatch, rows: Sequence[int], reason: Filtered) -> None:
        """Finish rows that get no answer: tombstones, and events that are too old."""
        if self._finish(batch, rows):
            self._metrics.finished(batch.tp.topic, Outcome.FILTERED, len(rows))
            self._metrics.filtered(batch.tp.topic, reason, len(rows))

    def caught_up(self, batch: RecordBatch, rows: Sequence[int]) -> None:
        """Finish rows that were only learned from: they had their outcome before."""
        if self._finish(batch, rows):
            self._metrics.replayed(batch.tp.topic, len(rows))

    def _finish(self, batch: RecordBatch, rows: Sequence[int]) -> bool:
        """Mark rows as finished; False if there are none or the partition went away."""
        ascending = rows if isinstance(rows, range) else sorted(rows)
        finished = self._tracker.finish(batch.span, ascending)
        if rows and not finished and not batch.is_catch_up:
            self._metrics.handed_back(batch.tp.topic, len(rows))
        return finished

    def spawn_dead_letters(self, batch: RecordBatch, failed: Failed) -> None:
        """Write dead letters without waiting for them."""
        if failed:
            self._spawn(self.dead_letters(batch, failed))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        def on_done(error: BaseException | None) -> None:
            if error is not None:
                self._spawn(self.on_failure(error))

        self._watch(asyncio.ensure_future(work), on_done)

    def _watch(
        self, future: asyncio.Future[None], on_done: Callable[[BaseException | None], None]
    ) -> None:
        """Call back with a future's error, or None; not at all if it is cancelled.

        A callback instead of a task for each output: of those there is one a partition in each
        micro-batch.
        """

        def done(_: asyncio.Future[None]) -> None:
            self._under_way.pop(future, None)
            if not future.cancelled():
                on_done(future.exception())

        self._under_way[future] = time.monotonic()
        future.add_done_callback(done)

    def waiting_seconds(self) -> float:
        """Return how long the oldest output has been waiting for the broker, 0 if none does."""
        began = [*self._under_way.values(), *filter(None, [self._sending])]
        return time.monotonic() - min(began) if began else 0.0

    async def close(self) -> None:
        """Give up what is not acknowledged; it will be read again."""
        for future in list(self._under_way):
            future.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
