"""Sends results and dead letters, and marks their rows as finished once they are acknowledged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from schemas import InputError
from schemas.errors import ResultTooLargeError
from streams.dead_letters import MAX_BYTES, LetterCodec, make_dead_letter
from streams.encoded_output import EncodedChunk, EncodedOutput
from streams.health.agent_metrics import AgentMetrics
from streams.health.outcomes import Filtered, Outcome
from streams.offsets import OffsetTracker
from streams.out_of_memory import drop_frames
from streams.output_records import OutputRecord, OutputRecords, PackedRecords, Packing
from streams.records import RecordBatch
from streams.routing import routed
from streams.settings import AgentSettings
from streams.sink import Output, ProduceError, RecordSink, RecordTooLargeError, Rows

logger = logging.getLogger(__name__)

Failed = Sequence[tuple[int, InputError]]

#: A dead letter that its topic rejects as too large is cut to the next of these sizes and sent
#: again.
_DEAD_LETTER_LIMITS = (MAX_BYTES, MAX_BYTES // 4, MAX_BYTES // 16, MAX_BYTES // 64, 4096)


class Delivery:
    """Sends the output of one agent, in order, and finishes rows once it is acknowledged."""

    def __init__(
        self,
        agent: str,
        settings: AgentSettings,
        sink: RecordSink,
        tracker: OffsetTracker,
        metrics: AgentMetrics,
        on_failure: Callable[[BaseException], Coroutine[Any, Any, None]],
        packing: Packing | None = None,
        may_send: Callable[[], Awaitable[None]] | None = None,
        letter_codec: LetterCodec | None = None,
    ) -> None:
        """Set where output goes; nothing is sent yet.

        Args:
            agent: the agent's name, used in messages and dead letters.
            settings: the agent's settings, with its topics.
            sink: sends the records.
            tracker: tracks the records in work.
            metrics: metrics of the agent.
            on_failure: called when the broker rejects output permanently; must end the worker.
            packing: limits and compression of producer batches; None for the defaults.
            may_send: awaited before results are sent: ends once this worker surely owns the
                partitions that it holds. None: it always does.
            letter_codec: frames the values of dead letters; None: they are the original's.
        """
        self._agent = agent
        self._settings = settings
        self._sink = sink
        self._tracker = tracker
        self._metrics = metrics
        self.on_failure = on_failure
        self._packing = packing or Packing()
        self._may_send = may_send
        self._letter_codec = letter_codec
        self._unacknowledged: dict[asyncio.Future[None], float] = {}
        """Output that waits for the broker, with the start of its wait in monotonic seconds."""
        self._queuing_since: float | None = None
        """When `results` began to queue output, in monotonic seconds; None if it is not running."""

    async def results(self, outputs: Sequence[EncodedOutput]) -> None:
        """Queue a micro-batch's output, in order per output partition; return before the acks.

        A row is finished only once its dead letter, or its results and updates, are acknowledged.
        """
        self._queuing_since = time.monotonic()
        try:
            if self._may_send is not None:
                await self._may_send()
            await self._results(outputs)
        finally:
            self._queuing_since = None

    async def _results(self, outputs: Sequence[EncodedOutput]) -> None:
        sent: list[tuple[EncodedOutput, Awaitable[None]]] = []
        for output in outputs:
            for chunk in output.chunks:
                if chunk.batch.is_catch_up:
                    self.caught_up(chunk.batch, chunk.rows)
                elif chunk.batch.span.is_live:
                    self.spawn_dead_letters(chunk.batch, chunk.failed)
                else:  # its partition now belongs to another worker
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
        """Send to the output partition that the input partition maps to: this keeps order per key.

        Results go where the agent's `route` says.

        Args:
            batch: a batch of the input partition.
            rows: the rows that are finished once the records are delivered.
            records: records by output topic.
        """
        outputs = [
            Output(topic, partition, part)
            for topic, packed in records.items()
            if packed
            for partition, part in routed(
                packed,
                self._settings.route if topic == self._settings.output else "partition",
                topic,
                batch.tp.partition,
                await self._sink.num_partitions(topic),
                self._packing,
            )
        ]
        return await self._sink.send(rows, outputs)

    def _on_delivered(self, output: EncodedOutput, error: BaseException | None) -> None:
        if isinstance(error, RecordTooLargeError):
            logger.warning("%s: %s; the batch's results are sent one by one", self._agent, error)
            self._spawn(self._send_chunks_by_row(output))
        elif error is not None:
            self._spawn(self.on_failure(error))
        else:
            self._finish_output(output)

    async def _send_chunks_by_row(self, output: EncodedOutput) -> None:
        for chunk in output.unpack():
            await self._send_by_row(chunk)

    def _finish_output(self, output: EncodedOutput) -> None:
        """Finish the rows of an acknowledged output."""
        self._metrics.emitted(self._settings.output, len(output.records))
        if self._settings.updates and output.updates:
            self._metrics.emitted(self._settings.updates, len(output.updates))
        for chunk in output.chunks:
            self._answered(chunk.batch, chunk.rows)

    async def _send_by_row(self, chunk: EncodedChunk) -> None:
        """Send each row's results alone; rows whose results are rejected become dead letters."""
        batch, topic = chunk.batch, self._settings.output
        if self._settings.updates and chunk.updates:
            updates = {self._settings.updates: chunk.updates.pack(self._packing)}
            self._spawn(
                self._log_lost_updates(await self._send(batch, [(batch.span, [])], updates))
            )
        sent: list[tuple[int, PackedRecords, Awaitable[None]]] = []
        stop = 0
        for row in chunk.rows:
            start = stop
            while stop < len(chunk.record_rows) and chunk.record_rows[stop] == row:
                stop += 1
            packed = chunk.records.rows(start, stop).pack(self._packing)
            delivered = await self._send(batch, [(batch.span, [row])], {topic: packed})
            sent.append((row, packed, delivered))
        for row, packed, delivered in sent:
            try:
                await delivered
            except RecordTooLargeError as error:
                # Without waiting for the other rows: a transaction can't pass this row without its
                # dead letter.
                self.spawn_dead_letters(batch, [(row, ResultTooLargeError(str(error)))])
            else:
                self._metrics.emitted(topic, len(packed))
                self._answered(batch, [row])

    async def _log_lost_updates(self, delivered: Awaitable[None]) -> None:
        """Log updates rejected as too large; they do not change any input record's outcome."""
        try:
            await delivered
        except RecordTooLargeError as error:
            logger.error("%s: an update is too large and is lost: %s", self._agent, error)

    async def dead_letters(self, batch: RecordBatch, failed: Failed) -> None:
        """Send dead letters to the same partition of `<input>.dlq`, then finish their rows."""
        if not failed:
            return
        for _, error in failed:
            drop_frames(error)
        topic = self._settings.dead_letter_topic(batch.tp.topic)
        for limit in _DEAD_LETTER_LIMITS:
            made = [self._make_dead_letter(batch, row, error, limit) for row, error in failed]
            letters = OutputRecords.of(made).pack(self._packing)
            try:
                rows = [(batch.span, sorted(row for row, _ in failed))]
                await (await self._send(batch, rows, {topic: letters}))
            except RecordTooLargeError:
                continue
            self._dead_lettered(batch, failed)
            return
        raise ProduceError(
            f"topic {topic} rejects dead letters of "
            f"{_DEAD_LETTER_LIMITS[-1]} bytes: raise its max.message.bytes"
        )

    def _make_dead_letter(
        self, batch: RecordBatch, row: int, error: InputError, max_bytes: int
    ) -> OutputRecord:
        payload, codec = self._settings.dead_letter_payload, self._letter_codec
        return make_dead_letter(self._agent, batch, row, error, max_bytes, payload, codec)

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
        """Finish rows that are not answered: tombstones and events that are too old."""
        if self._finish(batch, rows):
            self._metrics.finished(batch.tp.topic, Outcome.FILTERED, len(rows))
            self._metrics.filtered(batch.tp.topic, reason, len(rows))

    def caught_up(self, batch: RecordBatch, rows: Sequence[int]) -> None:
        """Finish rows of a catch-up: an earlier worker has answered them already."""
        if self._finish(batch, rows):
            self._metrics.replayed(batch.tp.topic, len(rows))

    def _finish(self, batch: RecordBatch, rows: Sequence[int]) -> bool:
        """Mark rows as finished; False if there are none or the partition was given up."""
        ascending = rows if isinstance(rows, range) else sorted(rows)
        finished = self._tracker.finish(batch.span, ascending)
        if rows and not finished and not batch.is_catch_up:
            self._metrics.handed_back(batch.tp.topic, len(rows))
        return finished

    def spawn_dead_letters(self, batch: RecordBatch, failed: Failed) -> None:
        """Send dead letters in the background."""
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
        """Call back with a future's error, or None for success; not at all if it is cancelled.

        This is a callback and not a task, because each micro-batch has an output for each of its
        partitions: tasks would cost too much.
        """

        def done(_: asyncio.Future[None]) -> None:
            self._unacknowledged.pop(future, None)
            if not future.cancelled():
                on_done(future.exception())

        self._unacknowledged[future] = time.monotonic()
        future.add_done_callback(done)

    def waiting_seconds(self) -> float:
        """Return how long the oldest output has waited for the broker; 0 if none waits."""
        started = [*self._unacknowledged.values(), *filter(None, [self._queuing_since])]
        return time.monotonic() - min(started) if started else 0.0

    async def close(self) -> None:
        """Stop waiting for acknowledgments; unacknowledged records will be read again."""
        for future in list(self._unacknowledged):
            future.cancel()
        await asyncio.gather(*self._unacknowledged, return_exceptions=True)
