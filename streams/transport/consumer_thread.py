"""Faust's consumer thread: fetches records as columns, rejoins the group, retries commits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service

from streams.input_buffer import Room
from streams.kafka.positions import CommittedPosition, committed_position
from streams.records import RawRecords, TopicPartition
from streams.retry import within
from streams.transport.assignor import Assignor
from streams.transport.begun_topics import BegunTopics
from streams.transport.broker_retry import start_with_retry
from streams.transport.client_requests import send_through
from streams.transport.fetch import BatchFetchResult, columns
from streams.transport.fetch_budget import FetchBudget
from streams.transport.fetch_pacer import FetchPacer
from streams.transport.fetch_positions import (
    Fetched,
    NotedPositions,
    fetched_of,
    leaves_records,
    partition_state,
)
from streams.transport.stop_limits import LAST_COMMIT_SECONDS, LEAST_SECONDS, LEAVE_SECONDS
from streams.transport.topic_watch import TopicWatch

T = TypeVar("T")

#: How often the group coordination is checked for errors.
_COORDINATION_SECONDS = 1.0

#: How often an unanswered commit checks whether the worker is stopping.
_COMMIT_LOOK_SECONDS = 0.25


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread with the pipeline's client settings.

    A failed commit is retried in the next round instead of ending the worker.
    """

    fetched_generation = -1
    """The group's generation when the last fetch returned."""

    def __post_init__(self) -> None:
        """Finish the base class's construction."""
        super().__post_init__()
        self._pacer = FetchPacer()
        self.positions = NotedPositions()
        self.topics = TopicWatch(self)
        self.begun = BegunTopics()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        # Faust's assignor places tables, and does not keep other partitions where they are.
        has_tables = bool(self.app.tables.changelog_topics)
        self._assignor = self.app.assignor if has_tables else Assignor(self.app.membership)
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
        client = consumer._client
        self.topics.use(client)
        budget = FetchBudget(
            self.app.max_waiting_bytes, self._waiting_bytes, lambda: self.app.assigned.num_held
        )
        self.app.assigned.show_fetched(lambda: sum(self._waiting_bytes().values()))
        layers = (self._pacer, budget, self.app.group_session, self.topics.guard)
        send_through(client, *layers, contact=self.app.health.consumer)
        return consumer

    def _waiting_bytes(self) -> dict[TopicPartition, int]:
        """Return what has been fetched of each partition and waits in the client."""
        fetcher = None if self._consumer is None else self._consumer._fetcher
        return {
            TopicPartition(*tp): result.num_bytes()
            for tp, result in list(fetcher._records.items() if fetcher else ())
            if isinstance(result, BatchFetchResult)
        }

    async def on_start(self) -> None:
        """Start; wait while no broker can be reached."""
        await start_with_retry(super().on_start)

    def fetched(self, tp: TP) -> Fetched | None:
        """Return how far a partition was fetched, and how far it can be; None: not known yet."""
        return fetched_of(self._ensure_consumer(), tp)

    def has_waiting(self, tp: TP) -> bool:
        """Whether a partition has records that could be fetched now and have not been.

        Decided by the fetcher's position, since transaction markers take offsets too. Records of a
        partition without a leader, and of an open transaction, can't be fetched.
        """
        consumer = self._ensure_consumer()
        fetched = fetched_of(consumer, tp)
        if fetched is None or consumer._client.cluster.leader_for_partition(tp) in (None, -1):
            return False
        return fetched.position < fetched.end

    def fetch_position(self, tp: TP) -> int | None:
        """Return the offset that is fetched next; None if it is not known."""
        state = partition_state(self._ensure_consumer(), tp)
        return state.position if state is not None and state.has_valid_position else None

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch_topics(self) -> None:
        await self.topics.run()

    @Service.task  # type: ignore[untyped-decorator]
    async def _keep_membership(self) -> None:
        """Make aiokafka rejoin the group after an error.

        Its coordination stops until `check_errors` is called. aiokafka's own reads call it; Faust
        bypasses those reads, and without this task the worker would stay idle.
        """
        while not self.should_stop:
            await self.sleep(_COORDINATION_SECONDS)
            if self._consumer is None:
                continue
            coordinator = self._consumer._coordinator
            if coordinator.fenced is not None:
                asyncio.run_coroutine_threadsafe(
                    self.app.stop_for(coordinator.fenced), self.consumer.loop
                )
                return
            try:
                coordinator.check_errors()
            except KafkaError as error:
                if coordinator._coordination_task.done():  # it will not retry
                    raise
                self.log.warning("can't join the consumer group, retrying: %s", error)

    async def getmany(
        self, active_partitions: set[TP], timeout: float, room: Room[Hashable]
    ) -> Mapping[TP, RawRecords | Sequence[Any]]:
        """Fetch on the consumer's thread; without Faust's queue of calls, which costs more.

        Args:
            active_partitions: of which records are wanted.
            timeout: seconds to wait while there are none.
            room: what each partition may take, as `streams.input_buffer` counts it.
        """
        max_records = self.consumer.app.conf.broker_max_poll_records
        fetch = self._fetch_records(
            self._ensure_consumer(), active_partitions, timeout, max_records, room
        )
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch, self.thread_loop))

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float,
        max_records: int,
        room: Room[Hashable],
    ) -> Mapping[TP, RawRecords | Sequence[Any]]:
        """Return the fetched records of each partition; wait up to `timeout` seconds for some.

        Records of a pipeline's topics are taken from aiokafka's C parser straight into columns:
        making a `ConsumerRecord` of each costs several times as much as parsing it.
        """
        fetcher = consumer._fetcher
        self.positions.clear()
        if not self.consumer.flow_active:
            return {}
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            self._take_batches(fetcher, room)
            fetched = await fetcher.fetched_records(active_partitions, 0, max_records)
            if not fetched and timeout:
                # The fetcher wakes this waiter when records arrive.
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=timeout)
                if waiter.done():
                    waiter.result()  # raises the fetch's error, such as a missing permission
                waiter.cancel()
                if not self.consumer.flow_active:  # a rebalance has begun
                    return {}
                self._take_batches(fetcher, room)
                fetched = await fetcher.fetched_records(active_partitions, 0, max_records)
        num_records = sum(map(len, fetched.values()))
        self._pacer.took(num_records, len(fetched), leaves_records(consumer, fetched))
        self.fetched_generation = self.app.consumer_generation_id
        self.positions.note(consumer, active_partitions, fetched)
        batch_topics = self.app.assigned.batch_topics
        return {
            tp: columns(records) if tp.topic in batch_topics else records
            for tp, records in fetched.items()
        }

    def _take_batches(self, fetcher: Any, room: Room[Hashable]) -> None:
        """Switch the waiting fetch results of pipeline topics to whole batches."""
        for tp, result in fetcher._records.items():
            if isinstance(result, BatchFetchResult) and tp.topic in self.app.assigned.batch_topics:
                result.by_batch(room)

    async def committed_positions(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, CommittedPosition]:
        """Return what the group has committed, without partitions that have no offset."""
        fetch = self._ensure_consumer()._coordinator.fetch_committed_offsets
        committed = await self.call_thread(fetch, [KafkaTopicPartition(*tp) for tp in partitions])
        return {
            TopicPartition(*tp): committed_position(found.offset, found.metadata)
            for tp, found in committed.items()
        }

    async def pin_topics(self, topics: Iterable[str]) -> None:
        """Read topics under the ids that they have now, until the next rebalance.

        Raises:
            KafkaError: the broker does not answer.
        """
        await self.call_thread(self.topics.pin, set(topics))

    async def release_topics(self, num_unfinished: Mapping[str, int]) -> None:
        """Note that all partitions are given up, with each topic's unfinished records."""
        await self.call_thread(self.topics.release, num_unfinished)

    async def rejoin(self) -> None:
        """Ask the group to rebalance."""
        await self.call_thread(self._request_rejoin)

    async def _request_rejoin(self) -> None:
        self._ensure_consumer()._coordinator.request_rejoin()

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        assigned = self.assignment()
        try:
            topics = await self.topics.still_read({tp.topic for tp in offsets})
            wanted = {
                KafkaTopicPartition(*tp): OffsetAndMetadata(
                    offset, self.topics.metadata(TopicPartition(*tp), offset)
                )
                for tp, offset in offsets.items()
                if tp in assigned and tp.topic in topics
            }
            if not wanted or not await self._committed(wanted):
                return False
            if len(topics) < len({tp.topic for tp in offsets}):
                return False  # the others are deleted, or other topics now
        except KafkaError as error:
            # No broker, or a rebalance has begun. Nothing is lost: the next round commits the same
            # watermark, or the new owner reads the records again.
            log = self.log.info if isinstance(error, UnknownMemberIdError) else self.log.warning
            log("can't commit offsets, retrying in the next round: %r", error)
            return False
        return True

    def num_partitions(self, topic: str) -> int:
        """Return how many partitions a topic has, from the client's cached metadata."""
        return len(self._ensure_consumer()._client.cluster.partitions_for_topic(topic) or ())

    async def _committed(self, offsets: Mapping[KafkaTopicPartition, OffsetAndMetadata]) -> bool:
        """Commit without a time limit; return False if the worker must stop first."""
        commit = asyncio.ensure_future(self._ensure_consumer().commit(offsets))
        while not (await asyncio.wait([commit], timeout=_COMMIT_LOOK_SECONDS))[0]:
            if self.app.seconds_to_stop(LAST_COMMIT_SECONDS) == 0.0:
                self.app.health.has_given_up = True
                commit.cancel()
                return False
        commit.result()
        return True

    async def on_main_loop(self, work: Coroutine[Any, Any, T]) -> T:
        """Run work on the worker's main event loop; call it on this thread."""
        future = asyncio.run_coroutine_threadsafe(work, self.parent_loop)
        return await asyncio.wrap_future(future)

    async def on_thread_stop(self) -> None:
        """Leave the group, in a limited time even if no broker answers."""
        left = self.app.seconds_to_stop(LEAVE_SECONDS)
        seconds = LEAVE_SECONDS if left is None else max(left, LEAST_SECONDS)
        if not await within(seconds, super().on_thread_stop()):
            self.log.warning("the worker could not leave its group in time: no broker answers")
        if self._consumer is not None:
            # If the fetcher is stopped during its back-off, aiokafka does not close its client.
            await self._consumer._client.close()
