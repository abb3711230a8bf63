"""Penstock's Faust transport: `penstock://host:port` instead of `kafka://host:port`.

Derives from Faust's aiokafka driver. Agents of a pipeline get one Faust event a partition fetch,
whose value is a `RecordBatch`; a user's own stock agents get their records one by one, as ever.
For both, the `OffsetTracker` alone decides what is committed: Faust's own bookkeeping commits
past unfinished work when batches finish out of order (faust-streaming issue 606).
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTopicPartition
from faust.transport.conductor import Conductor as FaustConductor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode import Service

from streams.forgiving_records import read_forgivingly, retain_fetched_bytes
from streams.intake import Intake
from streams.kafka_connection import mend_connections
from streams.kafka_producer import KafkaProducer, TransactionalProducer
from streams.patience import never_expire, start_patiently, stop_in_time, within
from streams.records import RawRecords, RecordBatch, TopicPartition
from streams.replay import seek_to_state
from streams.takeover import Takeover

#: How long a fetch waits for new records. Short while a partition is paused, so that it is
#: looked at again soon after it has room.
_FETCH_SECONDS, _PAUSED_FETCH_SECONDS = 1.0, 0.05

#: How often what stopped the group's coordination is looked for.
_COORDINATION_SECONDS = 1.0

#: How long a stopping worker waits for the broker to take its last offsets, at least.
_LAST_COMMIT_SECONDS = 3.0
#: How often a commit that the broker does not answer looks whether the worker stops.
_COMMIT_LOOK_SECONDS = 0.25

#: Of records in Kafka's oldest format.
_NO_TIMESTAMP = -1
#: One for all records that have none.
_NO_HEADERS = ()


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, with the pipeline's client settings.

    A failed commit is tried again instead of ending the worker.
    """

    fetched_generation = -1
    """The group's generation when records were last taken from the fetcher."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        # Faust's own assignor places tables; without them a plain one will do.
        has_tables = bool(self.app.tables.changelog_topics)
        self._assignor = self.app.assignor if has_tables else RoundRobinPartitionAssignor
        arguments = {
            "client_id": conf.broker_client_id,
            "group_id": conf.id,
            "max_poll_records": conf.broker_max_poll_records,
            "max_poll_interval_ms": int(conf.broker_max_poll_interval * 1000),
            "rebalance_timeout_ms": int(conf.broker_rebalance_timeout * 1000),
            **self.app.client_arguments["consumer"],
        }
        consumer = aiokafka.AIOKafkaConsumer(
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            **arguments,
        )
        self.app.health.consumer.watch(consumer._client)
        return consumer

    async def on_start(self) -> None:
        """Start, waiting for a broker that went away since the worker looked for it."""
        await start_patiently(super().on_start)

    def has_waiting(self, tp: TP) -> bool:
        """Whether a partition has records that may be fetched and have not been.

        Told by the fetcher's own position: what ends a transaction takes up offsets as well.
        A partition without a leader, and what a transaction still holds back, can't be fetched.
        """
        consumer = self._ensure_consumer()
        assignment = consumer._subscription.subscription.assignment
        state = assignment.state_value(tp) if assignment is not None else None
        if state is None or state.highwater is None or not state.has_valid_position:
            return False
        if consumer._client.cluster.leader_for_partition(tp) in (None, -1):
            return False
        has_stable_end = consumer._isolation_level == "read_committed" and state.lso is not None
        end = min(state.highwater, state.lso) if has_stable_end else state.highwater
        return bool(state.position < end)

    @Service.task  # type: ignore[untyped-decorator]
    async def _keep_membership(self) -> None:
        """Have aiokafka join the group again after an error.

        Its coordination rests until somebody takes the error up. A stock consumer does so with
        each read; Faust, which reads past it, never does, and such a worker would be idle for ever.
        """
        while not self.should_stop:
            await self.sleep(_COORDINATION_SECONDS)
            if self._consumer is None:
                continue
            coordinator = self._consumer._coordinator
            try:
                coordinator.check_errors()
            except KafkaError as error:
                if coordinator._coordination_task.done():  # it will not try again
                    raise
                self.log.warning("the group can't be joined, which is tried again: %s", error)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, RawRecords | Sequence[Any]]:
        """Return what has been fetched of each partition, waiting up to `timeout` seconds.

        Records of a pipeline's topics are taken as aiokafka's C parser makes them, into columns:
        dressing each up as a `ConsumerRecord` costs several times what parsing it does.
        """
        fetcher = consumer._fetcher
        if not self.consumer.flow_active:
            return {}
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            self._keep_raw(fetcher)
            fetched = await fetcher.fetched_records(active_partitions, 0, max_records)
            if not fetched and timeout:
                # Fetched records wake the fetcher's own waiter, so that it is waited on here.
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=timeout)
                if waiter.done():
                    waiter.result()  # raises what the fetch met, an authorization error for one
                waiter.cancel()
                if not self.consumer.flow_active:  # a rebalance has begun meanwhile
                    return {}
                self._keep_raw(fetcher)
                fetched = await fetcher.fetched_records(active_partitions, 0, max_records)
        self.fetched_generation = self.app.consumer_generation_id
        batch_topics = self.app.intake.batch_topics
        return {
            tp: _columns(records) if tp.topic in batch_topics else records
            for tp, records in fetched.items()
        }

    def _keep_raw(self, fetcher: Any) -> None:
        """Have what waits in the fetcher come out as it was parsed."""
        for tp, result in fetcher._records.items():
            records = getattr(result, "_partition_records", None)  # None of an error, or when empty
            if records is not None and tp.topic in self.app.intake.batch_topics:
                if records._consumer_record is not _as_parsed:
                    records._consumer_record = _as_parsed
                    records._records_iterator = read_forgivingly(records)

    async def committed_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        """Ask the group's coordinator for committed offsets."""
        consumer = self._ensure_consumer()
        return {
            tp: await self.call_thread(consumer.committed, KafkaTopicPartition(*tp))
            for tp in partitions
        }

    async def rejoin(self) -> None:
        """Have the group give out its partitions anew."""
        await self.call_thread(self._request_rejoin)

    async def _request_rejoin(self) -> None:
        self._ensure_consumer()._coordinator.request_rejoin()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        assigned = self.assignment()
        wanted = {
            KafkaTopicPartition(*tp): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in assigned
        }
        if not wanted:
            return False
        try:
            if not await self._committed(wanted):
                return False
        except KafkaError as error:
            # Retriable (broker away) or a rebalance has begun: in both cases nothing is lost,
            # since the watermark stays and the next round commits it, or its new owner re-reads.
            level = self.log.info if isinstance(error, UnknownMemberIdError) else self.log.warning
            level("offsets could not be committed, the next round tries again: %r", error)
            return False
        return True

    async def _committed(self, offsets: Mapping[KafkaTopicPartition, OffsetAndMetadata]) -> bool:
        """Commit, as long as it takes; False if the worker has to stop before."""
        commit = asyncio.ensure_future(self._ensure_consumer().commit(offsets))
        while not (await asyncio.wait([commit], timeout=_COMMIT_LOOK_SECONDS))[0]:
            if self.app.seconds_to_stop(_LAST_COMMIT_SECONDS) == 0.0:
                self.app.health.has_given_up = True
                commit.cancel()
                return False
        commit.result()
        return True

    async def on_thread_stop(self) -> None:
        """Leave the group; in time, even if no broker is there to be told."""
        left = (self.app.seconds_to_stop() or 0.0) + _LAST_COMMIT_SECONDS
        if not await within(left, super().on_thread_stop()):
            self.log.warning("the broker was not told that this worker leaves its group")
        if self._consumer is not None:
            # aiokafka's fetcher, stopped as it waits to try again, ends the stop before this.
            await self._consumer._client.close()


def _as_parsed(tp: KafkaTopicPartition, record: Any) -> Any:
    return record


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Hands out whole fetches and commits watermarks."""

    @property
    def intake(self) -> Intake:
        """What the app wants of each topic, and the tracker of everything handed out."""
        intake: Intake = self.app.intake
        return intake

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        transactions = self.app.exactly_once
        self._takeover = None if transactions is None else Takeover(self, transactions)

    def _is_batch(self, tp: Any) -> bool:
        return tp.topic in self.intake.batch_topics

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch for ever; the loop behind Faust's `Fetcher` service."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                for tp, records in (await self._next_fetch()).items():
                    if not self.flow_active or self._is_stale():
                        break  # a rebalance: the new owner starts at the committed offset
                    await self._hand_out(TopicPartition(*tp), records)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            # Faust takes this for a crash where a stop meets a rebalance.
            if not self.transport.app.should_stop:
                raise

    def _is_stale(self) -> bool:
        """Whether the partitions were given out anew since the last fetch was taken.

        Not since it was asked for: a rebalance may begin and end while a fetch waits for records.
        What it then takes is the new generation's, is taken once, and must not be dropped.
        """
        is_stale: bool = self._thread.fetched_generation != self.app.consumer_generation_id
        return is_stale

    async def _next_fetch(self) -> Mapping[TP, RawRecords | Sequence[Any]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return {}
        active = self._get_active_partitions()
        wanted = {tp for tp in active if self._is_wanted(TopicPartition(*tp))}
        if not wanted:  # nothing assigned yet, or everything is full
            await self.sleep(_PAUSED_FETCH_SECONDS)
            return {}
        timeout = _FETCH_SECONDS if len(wanted) == len(active) else _PAUSED_FETCH_SECONDS
        fetched: Mapping[TP, RawRecords | Sequence[Any]]
        fetched = await self._getmany(active_partitions=wanted, timeout=timeout)
        return fetched

    def _is_wanted(self, tp: TopicPartition) -> bool:
        if self.intake.is_full(tp):
            return False
        transactions = self.app.exactly_once
        if transactions is None or not self._is_batch(tp):
            return True
        return transactions.owns(tp) and not transactions.is_full(tp)

    async def _hand_out(self, tp: TopicPartition, fetched: RawRecords | Sequence[Any]) -> None:
        if isinstance(fetched, RawRecords):
            replayed, fresh = fetched.split(self.intake.tracker.replay_end(tp))
            if replayed is not None:
                batch = self._start(tp, replayed)
                batch.is_replay = True
                await self.callback(self._batch_message(batch))
            if fresh is not None:
                await self.callback(self._batch_message(self._start(tp, fresh)))
            return
        self._start(tp, _columns(fetched)).span.taken = True
        for record in fetched:
            # The stock path may wait for its queue; a rebalance must be able to interrupt it.
            await self.wait_first(
                self.callback(self._to_message(tp, record)), self.suspend_flow.wait()
            )

    def _start(self, tp: TopicPartition, raw: RawRecords) -> RecordBatch:
        span = self.intake.tracker.start(tp, raw.offsets, raw.num_bytes)
        return RecordBatch(
            tp, span, raw.timestamps_ms, raw.keys, raw.values, raw.headers, time.monotonic()
        )

    def _batch_message(self, batch: RecordBatch) -> ConsumerMessage:
        """Return a message whose value is a whole record batch; Faust looks at little of it."""
        return ConsumerMessage(
            *batch.tp,
            batch.first_offset,
            batch.timestamps_ms[0] / 1000,
            0,
            None,
            None,
            batch,
            None,
            tp=TP(*batch.tp),
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: ConsumerMessage) -> bool:
        """Take the acknowledgement of a stock agent."""
        if message.acked:
            return False
        message.acked = True
        tp = TopicPartition(*message.tp)
        return self.intake.tracker.finish_offset(tp, message.offset)

    async def force_commit(
        self, topics: Any = None, start_new_transaction: bool = True
    ) -> bool:  # fmt: skip
        """Commit every watermark that has moved; exactly-once partitions commit by themselves."""
        self._collect_inlined_acks()
        offsets = {TP(*tp): at for tp, at in self.intake.tracker.committable().items()}  # type: ignore[misc]
        if self._takeover is not None:
            offsets = {tp: at for tp, at in offsets.items() if not self._is_batch(tp)}
        self._export_lag()
        if not offsets or not await self._commit(offsets):
            return False
        self.intake.tracker.committed({TopicPartition(*tp): at for tp, at in offsets.items()})
        self.app.monitor.on_tp_commit(offsets)
        return True

    def _collect_inlined_acks(self) -> None:
        """Faust's compiled stream iterator notes acks here itself instead of calling `ack`."""
        for tp, acked in self._acked.items():
            for offset in acked:
                self.intake.tracker.finish_offset(TopicPartition(*tp), offset)
            self._acked_index[tp].difference_update(acked)
            acked.clear()

    def _export_lag(self) -> None:
        for tp in self.assignment():
            end = self.highwater(tp)
            position = self.intake.tracker.position(TopicPartition(*tp))
            if position is None:
                position = self._committed_offset[tp]
            if end is not None and position is not None:
                self.intake.observe_lag(
                    TopicPartition(*tp), max(end - position, 0), self._thread.has_waiting(tp)
                )

    async def wait_empty(self) -> None:
        """Wait until what agents have begun on is finished, and commit it.

        Bounded: what is not finished by then is given up uncommitted and read again.
        """
        transactions = self.app.exactly_once
        self.intake.tracker.give_up_untaken()
        if transactions is not None:
            transactions.hurry()
        # Faust asks twice while it stops: all of that together has the time of one.
        left = self.app.seconds_to_stop()
        deadline = time.monotonic() + (self.app.drain_seconds if left is None else left)
        while self.intake.tracker.num_taken() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            self._collect_inlined_acks()
        if left := self.intake.tracker.num_taken():
            self.log.warning("%d records were not finished in time and will be read again", left)
        await self._commit_in_time()
        await self._store_in_time()
        if transactions is not None:
            self.intake.tracker.give_up(filter(self._is_batch, self.intake.tracker.partitions()))
            await transactions.release_all()

    async def _commit_in_time(self) -> None:
        """Commit; a worker that stops does not wait for a broker that is away."""
        left = self.app.seconds_to_stop()
        if left is None:
            await self.commit()
        elif not await within(max(left, _LAST_COMMIT_SECONDS), self.commit()):
            self.log.warning("offsets were not committed: the broker is away; all is read again")
            self.app.health.has_given_up = True

    async def perform_seek(self) -> None:
        """Begin every partition at its committed offset, once nobody else can move that."""
        if self._takeover is None:
            await super().perform_seek()
            await seek_to_state(self)
        else:
            await self._takeover.perform()

    async def committed_offsets(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return the committed offsets of those partitions that have one."""
        found = await self._thread.committed_offsets(partitions)
        return {tp: offset for tp, offset in found.items() if offset is not None}

    async def rejoin(self) -> None:
        """Have the group give out its partitions anew."""
        await self._thread.rejoin()

    async def _store_in_time(self) -> None:
        """Store the state of online models; no stop and no rebalance waits for ever for that."""
        left = self.app.seconds_to_stop()
        seconds = self.app.drain_seconds if left is None else max(left, _LAST_COMMIT_SECONDS)
        if not await within(seconds, self.intake.let_go()):
            self.log.warning("the state of online models was not stored: more is read again")

    async def latest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Return the offset that each partition's next record will have."""
        offsets: Mapping[TP, int] = await self._thread.call_thread(
            self._thread._ensure_consumer().end_offsets, partitions
        )
        return offsets

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is under way (through `wait_empty`), then let the partitions go."""
        if self._takeover is not None:
            self._takeover.cancel()
        await super().on_partitions_revoked(revoked)
        self.intake.give_up(TopicPartition(*tp) for tp in revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Begin afresh: Faust seeks every partition to its committed offset."""
        self.intake.give_up(self.intake.tracker.partitions())  # type: ignore[arg-type]
        await super().on_partitions_assigned(assigned, generation_id)
        self.intake.assigned(TopicPartition(*tp) for tp in assigned)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Say nothing: Faust's check looks at streams that no longer see single records."""


def _columns(records: Sequence[Any]) -> RawRecords:
    """Turn parsed records into columns, of as few objects as can be: they live until the ack."""
    first, last = records[0].offset, records[-1].offset
    is_whole = last - first == len(records) - 1
    keys = [record.key for record in records]
    values = [record.value for record in records]
    return RawRecords(
        offsets=range(first, last + 1) if is_whole else [record.offset for record in records],
        timestamps_ms=array("q", [record.timestamp or _NO_TIMESTAMP for record in records]),
        keys=keys,
        values=values,
        headers=[record.headers or _NO_HEADERS for record in records],
        num_bytes=sum(map(len, filter(None, keys))) + sum(map(len, filter(None, values))),
    )


class Producer(driver.Producer):  # type: ignore[misc]
    """Idempotent and acks=all, for stock agents too; waits for a broker as long as it takes."""

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        never_expire(producer)
        self.app.health.producer.watch(producer.client)
        return producer

    async def on_start(self) -> None:
        """Start, waiting for a broker that went away since the worker looked for it."""
        await start_patiently(super().on_start)

    async def on_stop(self) -> None:
        """Stop; what a broker that is away has not taken is given up, and will be read again."""
        if self._producer is not None:
            await stop_in_time(self._producer, self.app.seconds_to_stop() or 0.0)
        await super().on_stop()

    async def flush(self) -> None:
        """Wait until the broker has everything; while stopping, only for so long."""
        left = self.app.seconds_to_stop()
        if left is None:
            await super().flush()
        else:
            await within(left, super().flush())

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**self.app.client_arguments["producer"], "acks": "all", "enable_idempotence": True}

    @property
    def _producer_type(self) -> type[aiokafka.AIOKafkaProducer]:
        return KafkaProducer

    def new_transactional(self, transactional_id: str) -> TransactionalProducer:
        """Make a producer for transactions on this one's connections."""
        settings = {**self._settings_default(), **self._settings_auth(), **self._settings_extra()}
        client = self._ensure_producer().client
        producer = TransactionalProducer(client, transactional_id, **settings)
        never_expire(producer)
        return producer


class Conductor(FaustConductor):  # type: ignore[misc]
    """Delivers record batches as they are: no decoding, no per-record queueing."""

    def _build_handler(self, tp: TP, channels: Any) -> Any:
        if tp.topic not in self.app.intake.batch_topics:
            return super()._build_handler(tp, channels)

        async def on_batch(message: ConsumerMessage) -> None:
            for channel in channels:
                event = self.app.create_event(None, message.value, {}, message)
                # Without a limit here: `Intake` pauses the partition long before.
                channel.queue.force_put_nowait(event)

        return on_batch


class Transport(driver.Transport):  # type: ignore[misc]
    """What `penstock://` stands for."""

    Consumer: ClassVar[Any] = Consumer
    Producer: ClassVar[Any] = Producer
    Conductor: ClassVar[Any] = Conductor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mend_connections()
        retain_fetched_bytes()
