"""The consumer of Penstock's transport: hands out whole fetches and commits watermarks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from streams.assignment import AssignedPartitions
from streams.kafka.position_reset import no_reset
from streams.kafka.positions import CommittedPosition
from streams.records import RawRecords, RecordBatch, TopicPartition
from streams.retry import retry
from streams.transport.begun_topics import BegunTopics
from streams.transport.consumer_thread import ConsumerThread
from streams.transport.drain import Drain
from streams.transport.fetch import columns
from streams.transport.read_positions import export_lag, note_read
from streams.transport.starting_offsets import starting_offsets
from streams.transport.takeover import (
    OncePerGeneration,
    seek_to_committed,
    seek_to_state,
    take_over,
)

#: How long a fetch waits for new records. Shorter while a partition is paused, so that the
#: partition is fetched from again soon after it has room.
_FETCH_SECONDS, _PAUSED_FETCH_SECONDS = 1.0, 0.05
_LOOK_UP_AGAIN_SECONDS = 1.0


class Consumer(driver.Consumer):  # type: ignore[misc]
    """A worker's consumer; the records are fetched on `ConsumerThread`."""

    @property
    def assigned(self) -> AssignedPartitions:
        """The assigned partitions: intake limits by topic and the offset tracker."""
        assigned: AssignedPartitions = self.app.assigned
        return assigned

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._takeover = OncePerGeneration()
        self._drain = Drain(self)
        self.committed: set[TopicPartition] = set()
        """Held partitions that go on at an offset that the group has committed."""
        self._to_commit: dict[TopicPartition, int] = {}

    def stop_flow(self) -> None:
        """Stop reading: a rebalance begins, or the worker stops."""
        if self.flow_active and self.app.seconds_to_stop() is None:
            self.assigned.flow_stopped()
        super().stop_flow()

    def resume_flow(self) -> None:
        """Read again."""
        self.assigned.flow_resumed()
        super().resume_flow()

    def is_batch(self, tp: Any) -> bool:
        """Whether a partition's agent receives whole record batches."""
        return tp.topic in self.assigned.batch_topics

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Run the fetch loop of Faust's `Fetcher` service until it is stopped."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                fetched = await self._next_fetch()
                if not self.flow_active or self._is_stale():
                    continue  # a rebalance: the new owner starts at the committed offset
                await self._hand_out(fetched)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            # During a stop in a rebalance, Faust would treat the cancellation as a crash.
            if not self.transport.app.should_stop:
                raise

    def _is_stale(self) -> bool:
        """Whether the group has rebalanced since the last fetch returned.

        Compare with the moment the fetch returned, not the moment it started: a rebalance may begin
        and end while a fetch waits. Its records then belong to the new generation, are returned
        only once, and must not be dropped.
        """
        is_stale: bool = self._thread.fetched_generation != self.app.consumer_generation_id
        return is_stale

    async def _next_fetch(self) -> Mapping[TP, RawRecords | Sequence[Any]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return {}
        active = self._get_active_partitions()
        room = self.assigned.room()
        full = room.full()
        wanted = {tp for tp in active if tp not in full and self._is_wanted(TopicPartition(*tp))}
        if not wanted:  # nothing is assigned yet, or every partition is full
            await self.sleep(_PAUSED_FETCH_SECONDS)
            return {}
        timeout = _FETCH_SECONDS if len(wanted) == len(active) else _PAUSED_FETCH_SECONDS
        fetched: Mapping[TP, RawRecords | Sequence[Any]]
        fetched = await self._thread.getmany(wanted, timeout, room)
        return fetched

    def _is_wanted(self, tp: TopicPartition) -> bool:
        if self.assigned.is_full(tp):
            return False
        transactions = self.app.exactly_once
        if transactions is None or not self.is_batch(tp):
            return True
        return transactions.owns(tp) and not transactions.is_full(tp)

    async def _hand_out(self, fetched: Mapping[TP, RawRecords | Sequence[Any]]) -> None:
        """Hand what a fetch brought to the streams: one message for each topic of an agent."""
        by_topic: dict[str, list[RecordBatch]] = {}
        for tp, records in fetched.items():
            if isinstance(records, RawRecords):
                batches = self._record_batches(TopicPartition(*tp), records)
                by_topic.setdefault(tp.topic, []).extend(batches)
        note_read(self, {tp for tp, r in fetched.items() if not isinstance(r, RawRecords)})
        for batches_of_topic in by_topic.values():
            await self.callback(self._message_of(batches_of_topic))
        for tp, records in fetched.items():
            if isinstance(records, RawRecords):
                continue
            if not self.flow_active or self._is_stale():
                return
            await self._hand_out_singly(TopicPartition(*tp), records)

    def _record_batches(self, tp: TopicPartition, records: RawRecords) -> Iterator[RecordBatch]:
        """Yield a partition's records as batches: those of a catch-up first, on their own."""
        caught_up, fresh = records.split(self.assigned.tracker.catch_up_end(tp))
        if caught_up is not None:
            batch = self._start(tp, caught_up)
            batch.is_catch_up = True
            yield batch
        if fresh is not None:
            yield self._start(tp, fresh)

    async def _hand_out_singly(self, tp: TopicPartition, records: Sequence[Any]) -> None:
        """Hand records to a stock agent, one by one."""
        self._start(tp, columns(records)).span.taken = True
        for record in records:
            # The stock path may wait for its queue; a rebalance must be able to interrupt it.
            await self.wait_first(
                self.callback(self._to_message(tp, record)), self.suspend_flow.wait()
            )

    def _start(self, tp: TopicPartition, raw: RawRecords) -> RecordBatch:
        span = self.assigned.tracker.start(tp, raw.offsets, raw.num_bytes, raw.timestamps_ms)
        return RecordBatch(
            tp,
            span,
            raw.timestamps_ms,
            raw.keys,
            raw.values,
            raw.headers,
            time.monotonic(),
            topic_id=self.topic_id(tp.topic),
        )

    def _message_of(self, batches: Sequence[RecordBatch]) -> ConsumerMessage:
        """Return a message whose value is record batches of one topic; Faust sees the first."""
        first = batches[0]
        return ConsumerMessage(
            *first.tp,
            first.first_offset,
            first.timestamps_ms[0] / 1000,
            0,
            None,
            None,
            batches,
            None,
            tp=TP(*first.tp),
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: ConsumerMessage) -> bool:
        """Mark a stock agent's message as finished."""
        if message.acked:
            return False
        message.acked = True
        return self.assigned.tracker.finish_offset(message.tp, message.offset)

    async def force_commit(
        self, topics: Any = None, start_new_transaction: bool = True
    ) -> bool:  # fmt: skip
        """Commit the watermarks that have moved; exactly-once partitions commit in transactions."""
        self.collect_inlined_acks()
        offsets = self.assigned.tracker.committable()
        if self.app.exactly_once is not None:
            offsets = {tp: offset for tp, offset in offsets.items() if not self.is_batch(tp)}
        export_lag(self)
        if not offsets or not await self._commit(offsets):
            return False
        self.assigned.tracker.committed(offsets)
        self.app.monitor.on_tp_commit(offsets)
        return True

    def collect_inlined_acks(self) -> None:
        """Finish the offsets that Faust's compiled stream iterator notes without `ack`."""
        for tp, acked in self._acked.items():
            for offset in acked:
                self.assigned.tracker.finish_offset(tp, offset)
            self._acked_index[tp].difference_update(acked)
            acked.clear()

    async def wait_empty(self) -> None:
        """Wait until records in work are finished, then commit them and store state."""
        await self._drain.run()

    async def perform_seek(self) -> None:
        """Seek every partition to its committed offset; with exactly once, fence earlier owners."""
        transactions = self.app.exactly_once
        if transactions is None:
            await seek_to_committed(self)
            await seek_to_state(self)
            await self.commit_starts()
        else:
            await self._takeover.run(
                self.app.consumer_generation_id, lambda: take_over(self, transactions)
            )
        if self.app.seconds_to_stop() is None:
            await self._thread.call_thread(self._thread.topics.begin)

    async def committed_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return where partitions start, without those that have no committed offset."""
        await self.pin_topics(partitions)
        committed = await self._thread.committed_positions(self._all_of_topics(partitions))
        return await starting_offsets(self, committed, partitions)

    def _all_of_topics(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Return all partitions of some partitions' topics."""
        of_topics = {
            TopicPartition(topic, partition)
            for topic in {tp.topic for tp in partitions}
            for partition in range(self.num_partitions(topic))
        }
        return sorted(of_topics.union(partitions))

    @property
    def begun(self) -> BegunTopics:
        """How many partitions each topic had when the group began to read it."""
        begun: BegunTopics = self._thread.begun
        return begun

    def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, from the client's cached metadata."""
        num_partitions: int = self._thread.num_partitions(topic)
        return num_partitions

    def note_committed(
        self, partitions: Iterable[TopicPartition], committed: Iterable[TopicPartition]
    ) -> None:
        """Note which of these partitions go on at an offset that the group has committed."""
        self.committed = self.committed.difference(partitions).union(committed)

    def commit_later(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit these offsets once the models of their partitions have state in the store."""
        self._to_commit |= offsets

    async def commit_starts(self) -> None:
        """Commit where partitions start that the group has begun to read at their end."""
        offsets, self._to_commit = self._to_commit, {}
        if offsets:
            await self._commit(offsets)

    async def pin_topics(self, partitions: Iterable[TopicPartition]) -> None:
        """Read topics under the ids that they have now; wait while no broker answers."""
        topics = {tp.topic for tp in partitions}
        await retry(
            lambda: self._thread.pin_topics(topics),
            KafkaError,
            lambda error, _: self.log.warning("can't look up the input topics yet: %r", error),
            wait_seconds=_LOOK_UP_AGAIN_SECONDS,
        )

    def topic_id(self, topic: str) -> str:
        """Return the id under which a topic is read; "" if it has none."""
        topic_id: str = self._thread.topics.ids.id_of(topic)
        return topic_id

    async def stable_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return where partitions start, once no open transaction can change it."""
        await self.pin_topics(partitions)
        committed = await self.app.stable_offsets.fetch(self._all_of_topics(partitions))
        return await starting_offsets(self, committed, partitions)

    async def offset_metadata(self, tp: TopicPartition, offset: int) -> str | None:
        """Return the metadata of an offset; None if its topic is no longer the one being read."""
        topics = self._thread.topics
        if tp.topic in await self._thread.call_thread(topics.still_read, [tp.topic]):
            metadata: str = topics.metadata(tp, offset)
            return metadata
        return None

    def begin_at(self, tp: TopicPartition, position: CommittedPosition) -> None:
        """Note the leader epoch of the record below a committed offset."""
        self._thread.topics.epochs.begin(tp, position.offset, position.leader_epoch)

    def topics_made_again(self) -> frozenset[str]:
        """Return the topics that were made again while this worker ran."""
        made_again: frozenset[str] = self._thread.topics.made_again
        return made_again

    async def stop_without_reset(self, tp: TopicPartition, offset: int | None = None) -> None:
        """End the worker, since a partition has no offset to start from; never returns."""
        await self.app.stop_for(no_reset(tp, offset))
        await asyncio.Event().wait()

    async def go_back(self, tp: TopicPartition, offset: int) -> bool:
        """Prepare to read a partition again from a lower offset.

        Returns:
            Whether it may be sought now. Otherwise the offset is committed and the partition is
            taken over again: what was read of it must be dropped first.
        """
        if self.assigned.tracker.next_offset(tp) is None:
            return True
        self.assigned.give_up([tp])
        if self.app.exactly_once is not None:
            await self.app.exactly_once.release([tp])
        await self._commit({tp: offset})
        await self._thread.rejoin()
        return False

    async def lose(self, tp: TopicPartition) -> None:
        """Release a partition whose transaction failed, and ask the group to rebalance."""
        self.assigned.give_up([tp])
        await self._thread.rejoin()

    async def latest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the end offset of each partition."""
        offsets: Mapping[TP, int] = await self._thread.call_thread(
            self._thread._ensure_consumer().end_offsets, partitions
        )
        return offsets

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish records in work (through `wait_empty`), then release the partitions."""
        self._takeover.cancel()
        self._drain.num_unfinished.clear()
        await super().on_partitions_revoked(revoked)
        await self._thread.release_topics(self._drain.num_unfinished)
        self.assigned.give_up(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Reset the tracker and note the new partitions; Faust then seeks to committed offsets."""
        self.assigned.give_up(self.assigned.tracker.partitions())  # type: ignore[arg-type]
        await super().on_partitions_assigned(assigned, generation_id)
        if self.app.seconds_to_stop() is not None:
            return  # the worker is stopping, its models may be closed, and it leaves the group soon
        self.assigned.assigned(assigned)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Skip Faust's check: it expects streams of single records."""
