"""Watch the topics of a worker: deleted, made again, or with more or fewer partitions.

Runs on the consumer's thread. Kafka does not say when a topic is deleted and made again under the
same name. So the worker asks for the topics' ids every two seconds, before each commit, and when a
broker refuses a fetch. On a change it asks the group to rebalance: records in work are finished,
nothing of the old topic is committed, and the new one is read from its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.kafka.positions import commit_metadata
from streams.records import TopicPartition
from streams.sink import ProduceError
from streams.transport.describe_topics import DescribedTopic
from streams.transport.fetch_guard import FetchGuard
from streams.transport.leader_epochs import LeaderEpochs
from streams.transport.position_resets import PositionResets
from streams.transport.topic_ids import TopicIds, is_absent

if TYPE_CHECKING:
    from streams.transport.consumer_thread import ConsumerThread

#: How often the topics are looked up.
_LOOK_SECONDS = 2.0
#: A topic is absent if it was at two looks this far apart: a broker may lag behind another one.
_ABSENT_SECONDS = 1.0
#: A look before a commit may be this old: partitions with transactions commit one by one.
_COMMIT_LOOK_SECONDS = 0.2
_LOOK_LIMIT_SECONDS = 3.0


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
        resets = PositionResets(thread, self.epochs, self.still_read)
        self.guard = FetchGuard(
            self.ids,
            self.epochs,
            on_out_of_range=resets.on_out_of_range,
            on_diverged=resets.on_diverged,
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
        """Watch through this `aiokafka.client.AIOKafkaClient`, whose fetches `guard` sends."""
        self.ids.use(client)
        self.guard.use(client)

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
                await self._thread.on_main_loop(self._app.stop_for(failure))

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
        if not has_changed and self.guard.is_open:
            self._remaining.pop(topic, None)  # its partitions have owners again
        known = client.cluster.partitions_for_topic(topic) or ()
        must_rejoin = is_back or has_changed or self._was_absent_at_takeover(topic)
        if must_rejoin or len(known) != described.num_partitions:
            await client.force_metadata_update()
        if must_rejoin:
            self._thread._ensure_consumer()._coordinator.request_rejoin()

    def _was_absent_at_takeover(self, topic: str) -> bool:
        if self.ids.is_pinned(topic) or not self.guard.is_open:
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

    async def release(self, unfinished: Mapping[str, int]) -> None:
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
        self.guard.hold()
        self.ids.release()
        self.epochs.forget()

    async def begin(self) -> None:
        """Let fetches begin: every partition was sought to where it starts."""
        for topic in {tp.topic for tp in self._thread.assignment() if self.ids.is_pinned(tp.topic)}:
            self._remaining.pop(topic, None)
        self.guard.release()

    def metadata(self, tp: TopicPartition, offset: int) -> str:
        """Return the metadata with which to commit an offset."""
        began_with = self._thread.begun.began_with(tp.topic)
        return commit_metadata(self.ids.id_of(tp.topic), self.epochs.below(tp, offset), began_with)


def fewer_partitions(topic: str, before: int, now: int) -> ProduceError:
    """Return why a worker ends whose output topic was made again with fewer partitions."""
    return ProduceError(
        f"topic {topic} had {before} partitions and was made again with {now}: results that wait "
        "for the others can't be delivered; start the worker again"
    )
