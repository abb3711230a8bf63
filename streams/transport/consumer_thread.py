"""Faust's consumer thread: fetches whole columns, keeps its membership, tries commits again."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import aiokafka
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from streams.records import RawRecords, TopicPartition
from streams.transport.broker_retry import start_with_retry, within
from streams.transport.fetch import BatchFetchResult
from streams.transport.fetch_pacer import FetchPacer

#: How often what stopped the group's coordination is looked for.
_COORDINATION_SECONDS = 1.0

#: How long a stopping worker waits for the broker to take its last offsets, at least.
LAST_COMMIT_SECONDS = 3.0
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

    def __post_init__(self) -> None:
        """Finish the base class's construction."""
        super().__post_init__()
        self._pacer = FetchPacer()

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
        await start_with_retry(super().on_start)

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

    async def getmany(
        self, active_partitions: set[TP] | None, timeout: float
    ) -> Mapping[TP, RawRecords | Sequence[Any]]:
        """Fetch on the consumer's thread; without Faust's queue of calls, which costs more."""
        fetch = self._fetch_records(
            self._ensure_consumer(),
            active_partitions or set(),
            timeout,
            self.consumer.app.conf.broker_max_poll_records,
        )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch, self.thread_loop))

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
            await self._pacer.pause()
            if not self.consumer.flow_active:  # a rebalance has begun meanwhile
                return {}
            self._take_batches(fetcher)
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
                self._take_batches(fetcher)
                fetched = await fetcher.fetched_records(active_partitions, 0, max_records)
        self._pacer.took(sum(map(len, fetched.values())))
        self.fetched_generation = self.app.consumer_generation_id
        batch_topics = self.app.assigned.batch_topics
        return {
            tp: columns(records) if tp.topic in batch_topics else records
            for tp, records in fetched.items()
        }

    def _take_batches(self, fetcher: Any) -> None:
        """Have what waits in the fetcher, of a pipeline's topics, taken by the batch."""
        for tp, result in fetcher._records.items():
            if isinstance(result, BatchFetchResult) and tp.topic in self.app.assigned.batch_topics:
                result.by_batch()

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
            if self.app.seconds_to_stop(LAST_COMMIT_SECONDS) == 0.0:
                self.app.health.has_given_up = True
                commit.cancel()
                return False
        commit.result()
        return True

    async def on_thread_stop(self) -> None:
        """Leave the group; in time, even if no broker is there to be told."""
        left = (self.app.seconds_to_stop() or 0.0) + LAST_COMMIT_SECONDS
        if not await within(left, super().on_thread_stop()):
            self.log.warning("the broker was not told that this worker leaves its group")
        if self._consumer is not None:
            # aiokafka's fetcher, stopped as it waits to try again, ends the stop before this.
            await self._consumer._client.close()


def columns(records: Sequence[Any]) -> RawRecords:
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
