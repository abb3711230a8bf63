"""Plan to move a group's offsets, and move them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from agents.errors import UserError
from streams.kafka.clients import make_consumer
from streams.kafka.commit import commit_positions
from streams.kafka.errors import BrokerError
from streams.kafka.group_offsets import GroupOffsets, Place
from streams.kafka.positions import CommittedPosition, is_same_topic
from streams.kafka.reader import Bounds
from streams.kafka.settings import Kafka
from streams.settings import PipelineSettings

EARLIEST, LATEST = "earliest", "latest"


class PartitionOffsets(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of an input: what it has, and where the group stands."""

    agent: str
    topic: str
    partition: int
    oldest: int
    """The oldest offset that can be read."""
    end: int
    """The offset of the next record that a producer sends."""
    committed: int | None = None
    """None: the group has committed nothing for this topic."""
    target: int | None = None
    """Where a reset moves the group to; None: no reset was asked for."""

    @property
    def num_again(self) -> int:
        """Offsets that were finished and will be read again."""
        if self.target is None or self.committed is None:
            return 0
        return max(min(self.committed, self.end) - self.target, 0)

    @property
    def num_skipped(self) -> int:
        """Offsets that were not read and will not be."""
        if self.target is None:
            return 0
        start = self.oldest if self.committed is None else max(self.committed, self.oldest)
        return max(self.target - start, 0)


class GroupOffsetsOfPipeline:
    """The committed offsets of a pipeline's group. One caller at a time."""

    def __init__(self, settings: PipelineSettings, agents: Sequence[str], timeout: float) -> None:
        """Connect in the background.

        Args:
            settings: of the pipeline.
            agents: names; none: all.
            timeout: seconds for each request, > 0.

        Raises:
            UserError: there is no such agent.
        """
        if unknown := set(agents) - settings.agents.keys():
            names = ", ".join(settings.agents)
            raise UserError(f"no agent {min(unknown)!r}: the pipeline file has {names}")
        self.group = str(settings.kafka.get("group.id", "penstock"))
        self._kafka: Kafka = settings.kafka
        self._timeout = timeout
        chosen = agents or settings.agents
        self._agent_of = {t: name for name in chosen for t in settings.agents[name].inputs}
        self._broker = GroupOffsets(self._kafka, self.group, "read_uncommitted", timeout)
        self._ids: dict[str, str] = {}

    def read(self, only_partition: int | None = None) -> list[PartitionOffsets]:
        """Return every partition of the agents' inputs.

        Args:
            only_partition: only partitions of this number; None: all.

        Raises:
            UserError: a topic or the partition does not exist.
            BrokerError: the broker can't be reached or read.
        """
        cluster = self._broker.cluster()
        if missing := [topic for topic in self._agent_of if topic not in cluster.topics]:
            raise UserError(
                f"the broker has no topic {missing[0]}: penstock topics create makes it"
            )
        places = [
            (topic, partition)
            for topic in self._agent_of
            for partition in range(cluster.topics[topic])
            if only_partition in (None, partition)
        ]
        if not places:
            raise UserError(f"no input has a partition {only_partition}")
        self._ids = {} if cluster.is_embedded else self._broker.topic_ids(list(self._agent_of))
        committed = self._broker.committed(places)
        bounds = self._broker.bounds(places)
        return [self._of(place, bounds[place], committed.get(place)) for place in places]

    def _of(
        self, place: Place, bounds: Bounds, committed: CommittedPosition | None
    ) -> PartitionOffsets:
        topic, partition = place
        # An offset of an earlier topic of this name says nothing about this one.
        is_of_it = committed and is_same_topic(committed.topic_id, self._ids.get(topic, ""))
        return PartitionOffsets(
            agent=self._agent_of[topic], topic=topic, partition=partition, oldest=bounds.low,
            end=bounds.end, committed=committed.offset if committed and is_of_it else None,
        )  # fmt: skip

    def plan(
        self, found: Sequence[PartitionOffsets], to: str, at_ms: int
    ) -> list[PartitionOffsets]:
        """Return the partitions with their targets.

        Args:
            found: of `read`.
            to: `earliest`, `latest`, or anything else for `at_ms`.
            at_ms: the group moves to the first record at or after this time, milliseconds since
                1970; to the end, if there is none.

        Raises:
            BrokerError: the broker does not tell the offsets of a time.
        """
        if to == EARLIEST:
            targets = {(p.topic, p.partition): p.oldest for p in found}
        elif to == LATEST:
            targets = {(p.topic, p.partition): p.end for p in found}
        else:
            targets = self._offsets_at(found, at_ms)
        return [msgspec.structs.replace(p, target=targets[p.topic, p.partition]) for p in found]

    def _offsets_at(self, found: Sequence[PartitionOffsets], at_ms: int) -> dict[Place, int]:
        wanted = [TopicPartition(p.topic, p.partition, at_ms) for p in found]
        consumer = make_consumer(self._kafka, {"group.id": self.group})
        try:
            answered = consumer.offsets_for_times(wanted, timeout=self._timeout)
        except KafkaException as error:
            raise BrokerError(f"can't read offsets by time: {error.args[0].str()}") from None
        finally:
            consumer.close()
        ends = {(p.topic, p.partition): p.end for p in found}
        at = {(a.topic, a.partition): a.offset for a in answered}
        return {place: at[place] if at.get(place, -1) >= 0 else end for place, end in ends.items()}

    def move(self, planned: Sequence[PartitionOffsets]) -> None:
        """Commit the targets.

        Raises:
            UserError: the group has members: a worker would not notice, and commit over it.
            BrokerError: the broker refuses.
        """
        cluster = self._broker.cluster()
        # The embedded broker lists no members.
        if members := ([] if cluster.is_embedded else self._broker.members()):
            names = ", ".join(sorted({member.client_id for member in members}))
            raise UserError(
                f"group {self.group} has {len(members)} members ({names}): stop its workers first"
            )
        # `began_with` says which partitions were there from the start, so that partitions that
        # are added later are read from theirs.
        positions = {
            (p.topic, p.partition): CommittedPosition(
                p.target, self._ids.get(p.topic, ""), began_with=cluster.topics[p.topic]
            )
            for p in planned
            if p.target is not None
        }
        commit_positions(self._kafka, self.group, positions)
