"""Watch the input topics of a worker: deleted, made again, or with offsets that are gone.

Runs on the consumer's thread. Kafka does not say when a topic is deleted and made again under the
same name. So the worker asks for the topics' ids every two seconds, before each commit, and when a
broker refuses a fetch. On a change it asks the group to rebalance: records in work are finished,
nothing of the old topic is committed, and the new one is read from its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.structs import TopicPartition as KafkaTopicPartition

from streams.kafka.position_reset import LostReason, PositionReset, no_reset, reset_position
from streams.kafka.positions import UNKNOWN_EPOCH, commit_metadata
from streams.records import TopicPartition
from streams.sink import ProduceError
from streams.transport.fetch_guard import FetchGuard
from streams.transport.leader_epochs import LeaderEpochs
from streams.transport.topic_ids import TopicIds, is_absent
from streams.transport.topic_requests import DescribedTopic

if TYPE_CHECKING:
    from streams.transport.consumer_thread import ConsumerThread

T = TypeVar("T")

#: How often the topics are looked up.
_LOOK_SECONDS = 2.0
#: A topic is absent if it was at two looks this far apart: a broker may lag behind another one.
_ABSENT_SECONDS = 1.0
#: A look before a commit may be this old: partitions with transactions commit one by one.
_COMMIT_LOOK_SECONDS = 0.2
_LOOK_LIMIT_SECONDS = 3.0
#: Wait after a partition was asked to be taken over again.
_RESTART_SECONDS = 1.0


class TopicWatch:
    """The input topics of one consumer."""

    def __init__(self, thread: ConsumerThread) -> None:
        """Watch nothing yet.

        Args:
            thread: the consumer's thread.
        """
        self.ids = TopicIds()
        self._thread = thread
        self._app = thread.app
        self.epochs = LeaderEpochs()
        self._guard = FetchGuard(
            self.ids,
            self.epochs,
            on_out_of_range=self._reset_positions,
            on_diverged=self._go_back_to_common_records,
            on_other_topic=self._suspect,
            is_never_held=lambda topic: topic in self._app.tables.changelog_topics,
        )
        self._suspicion: asyncio.Event | None = None
        self._changed: set[str] = set()
        """Topics that changed and whose partitions are not given up yet."""
        self._announced: set[tuple[str, str]] = set()
        """Pairs of old and new topic id that were reported."""
        self._reported_deleted: set[str] = set()
        """Topics whose deletion was reported before they were made again."""
        self._num_partitions: dict[str, int] = {}
        """Partitions of each output topic when it was last seen."""
        self._remaining: dict[str, int] = {}
        """Unfinished records of each topic when its partitions were given up, until it is seen
        again: a topic may be deleted while the group rebalances."""
        self.made_again: frozenset[str] = frozenset()
        """Topics that were made again while this worker ran."""

    def use(self, client: Any) -> None:
        """Watch through this client, and guard its fetches."""
        self.ids.use(client)
        self._guard.guard(client)

    def _suspect(self) -> None:
        if self._suspicion is not None:
            self._suspicion.set()

    async def run(self) -> None:
        """Watch until the consumer stops."""
        self._suspicion = asyncio.Event()
        while not self._thread.should_stop:
            self._suspicion.clear()
            try:
                await self.check()
            except KafkaError:
                pass  # `Health` reports brokers that don't answer
            waiting = asyncio.ensure_future(self._suspicion.wait())
            await asyncio.wait([waiting], timeout=_LOOK_SECONDS)
            waiting.cancel()

    async def check(self) -> None:
        """Look the topics up once."""
        if self._thread._consumer is None:
            return
        topics = self._all_topics() | self._app.lost.outputs
        described = await self.ids.look(topics)
        if absent := {t for t in topics if is_absent(described.get(t))}:
            await asyncio.sleep(_ABSENT_SECONDS)
            described = await self.ids.look(topics)
            absent = {t for t in absent if is_absent(described.get(t))}
        for topic in absent - self._app.health.absent_topics:
            self._deleted(topic)
        for topic in sorted(described.keys() - absent):
            if topic in self._app.lost.outputs:
                await self._check_output(topic, described[topic])
            else:
                await self._check_present(topic, described[topic])

    async def _check_output(self, topic: str, described: DescribedTopic) -> None:
        """Report an output topic that exists again, is another one, or has fewer partitions."""
        if topic in self._app.health.absent_topics:
            self._app.health.absent_topics -= {topic}
            self._app.lost.topic_is_back(topic)
        if self.ids.has_changed(topic, described):
            ids = self.ids.last_id(topic), described.topic_id
            self._app.lost.topic_made_again(topic, ids)
        if described.topic_id and not self.ids.is_gone(described.topic_id):
            self.ids.saw(topic, described.topic_id)
        before = self._num_partitions.get(topic, 0)
        if described.error == 0:
            self._num_partitions[topic] = described.num_partitions
            if described.num_partitions < before:
                failure = fewer_partitions(topic, before, described.num_partitions)
                await self._on_main_loop(self._app.stop_for(failure))

    def _deleted(self, topic: str) -> None:
        self._app.added.forget(topic)
        self._app.health.absent_topics |= {topic}
        self._changed.add(topic)
        self._reported_deleted.add(topic)
        self._app.lost.topic_deleted(topic, *self._unread_and_in_work(topic))
        self._remaining.pop(topic, None)

    async def _check_present(self, topic: str, described: DescribedTopic) -> None:
        """Ask for a rebalance if a topic is another one, or has more partitions, than known."""
        client = self._thread._ensure_consumer()._client
        health = self._app.health
        is_back = topic in health.absent_topics
        has_changed = topic not in self._changed and self.ids.has_changed(topic, described)
        if is_back:
            health.absent_topics -= {topic}
            self._app.lost.topic_is_back(topic)
        if has_changed:
            numbers = self._unread_and_in_work(topic)
            self._announce(topic, (self.ids.last_id(topic), described.topic_id), *numbers)
            self._changed.add(topic)
        self._app.added.saw(topic, described.num_partitions)
        if not has_changed and self._guard.is_open:
            self._remaining.pop(topic, None)  # its partitions have owners again
        known = client.cluster.partitions_for_topic(topic) or ()
        must_rejoin = is_back or has_changed or self._was_absent_at_takeover(topic)
        if must_rejoin or len(known) != described.num_partitions:
            await client.force_metadata_update()
        if must_rejoin:
            self._thread._ensure_consumer()._coordinator.request_rejoin()

    def _was_absent_at_takeover(self, topic: str) -> bool:
        if self.ids.is_pinned(topic) or not self._guard.is_open:
            return False
        return any(tp.topic == topic for tp in self._thread.assignment())

    def _announce(self, topic: str, ids: tuple[str, str], unread: int, in_work: int) -> None:
        self.made_again |= {topic}
        if ids not in self._announced:
            self._announced.add(ids)
            self._app.added.forget(topic)
            is_reported = topic in self._reported_deleted
            self._reported_deleted.discard(topic)
            self._app.lost.topic_made_again(topic, ids, unread, in_work, is_reported)
            self._remaining.pop(topic, None)

    def _unread_and_in_work(self, topic: str) -> tuple[int, int]:
        """Return how many records of a topic were not read, and were read and not finished."""
        tracker = self._app.assigned.tracker
        num_unread, num_in_work = self._remaining.get(topic, 0), 0
        for tp in self._thread.assignment():
            if tp.topic != topic:
                continue
            end, position = self._thread.highwater(tp), tracker.next_offset(tp)
            if position is None:
                position = self._thread.fetch_position(tp)
            if end is not None and position is not None:
                num_unread += max(end - position, 0)
            num_in_work += tracker.under_way(tp)[0]
        return num_unread, num_in_work

    async def pin(self, topics: Iterable[str]) -> None:
        """Read topics under their present ids from now on; report those that were made again.

        Raises:
            KafkaError: the broker does not answer.
        """
        for topic, ids in (await self.ids.pin(set(topics))).items():
            self._announce(topic, ids, self._remaining.get(topic, 0), 0)

    async def still_read(self, topics: Iterable[str]) -> set[str]:
        """Return the topics that are still those that are being read: offsets may be committed.

        Raises:
            KafkaError: the broker does not answer.
        """
        wanted = [topic for topic in topics if self.ids.id_of(topic)]
        if not wanted:
            return set(topics)
        try:
            async with asyncio.timeout(_LOOK_LIMIT_SECONDS):
                described = await self.ids.look(wanted, _COMMIT_LOOK_SECONDS)
        except TimeoutError as error:
            raise KafkaTimeoutError("no broker says whether the topics still exist") from error
        gone = {t for t in wanted if not self.ids.is_current(t, described.get(t))}
        if gone:
            self._suspect()
        return set(topics) - gone

    def _all_topics(self) -> frozenset[str]:
        subscription = self._thread._ensure_consumer()._subscription.subscription
        topics: frozenset[str] = subscription.topics if subscription else frozenset()
        return topics

    def release(self, unfinished: Mapping[str, int]) -> None:
        """Note that all partitions are given up.

        Args:
            unfinished: for each topic, how many records were read and not finished.
        """
        for topic in {tp.topic for tp in self._thread.assignment()} | unfinished.keys():
            if topic in self._changed:
                if num_records := unfinished.get(topic, 0):
                    self._app.lost.unfinished(topic, num_records)
            else:
                self._remaining[topic] = self._unread_and_in_work(topic)[0] + unfinished.get(
                    topic, 0
                )
        self._changed.clear()
        self._guard.hold()
        self.ids.release()
        self.epochs.forget()

    async def begin(self) -> None:
        """Let fetches begin: every partition was sought to where it starts."""
        for topic in {tp.topic for tp in self._thread.assignment() if self.ids.is_pinned(tp.topic)}:
            self._remaining.pop(topic, None)
        self._guard.release()

    def metadata(self, tp: TopicPartition, offset: int) -> str:
        """Return the metadata with which to commit an offset."""
        began_with = self._thread.begun.began_with(tp.topic)
        return commit_metadata(self.ids.id_of(tp.topic), self.epochs.below(tp, offset), began_with)

    async def _reset_positions(self, gone: Mapping[TopicPartition, int]) -> None:
        """Let partitions go on where they still have records; report what is passed over."""
        consumer = self._thread._ensure_consumer()
        # Offsets of another topic of this name are reported as such.
        current = await self.still_read({tp.topic for tp in gone})
        partitions = [tp for tp in gone if tp.topic in current]
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
        policy = self._app.reset_policy
        for tp in partitions:
            reset = reset_position(gone[tp], first[tp], end[tp], policy)
            if reset is None:
                # The leader does not know the leader epoch of the record below the offset.
                if self.epochs.below(tp, gone[tp]) != UNKNOWN_EPOCH:
                    self._app.lost.unknown_epoch(tp, gone[tp])
                self.epochs.forget([tp])
                continue
            await self._reset(tp, gone[tp], reset)

    async def _go_back_to_common_records(
        self, diverged: Mapping[TopicPartition, tuple[int, int]]
    ) -> None:
        """Read partitions again from where their log was cut and written anew."""
        for tp, (position, end) in diverged.items():
            start = min(position, end)
            cut = PositionReset(LostReason.TRUNCATED, start, start, position - start)
            await self._reset(tp, position, cut)

    async def _reset(self, tp: TopicPartition, position: int, reset: PositionReset) -> None:
        self._app.lost.position_reset(tp, reset, self._app.reset_policy)
        if self._app.reset_policy == "none":
            await self._on_main_loop(self._app.stop_for(no_reset(tp, position)))
        elif reset.reason is LostReason.REMOVED or await self._may_go_back(tp, reset.start):
            self.epochs.forget([tp])
            self._thread._ensure_consumer().seek(KafkaTopicPartition(*tp), reset.start)

    async def _may_go_back(self, tp: TopicPartition, offset: int) -> bool:
        """Whether a partition may be read again from a lower offset without a rebalance."""
        may_seek: bool = await self._on_main_loop(self._thread.consumer.go_back(tp, offset))
        if not may_seek:
            await asyncio.sleep(_RESTART_SECONDS)
        return may_seek

    async def _on_main_loop(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._thread.parent_loop)
        return await asyncio.wrap_future(future)


def fewer_partitions(topic: str, before: int, now: int) -> ProduceError:
    """Return why a worker ends whose output topic was made again with fewer partitions."""
    return ProduceError(
        f"topic {topic} had {before} partitions and was made again with {now}: results that wait "
        "for the others can't be delivered; start the worker again"
    )
