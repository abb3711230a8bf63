"""Tell partitions that were added to a topic from those that the group began with.

A group that begins to read a topic with `auto.offset.reset: latest` passes over what is there. A
partition that is added later must be read from its start: all of its records came after the group
began, some before any worker knew of it. Both have no committed offset. So each commit says how
many partitions the topic had when the group began, and the partitions that a group begins with get
a commit at once, where reading starts.
"""

from __future__ import annotations

from collections.abc import Collection

from streams.kafka.positions import CommittedPosition, is_same_topic
from streams.records import TopicPartition


class BegunTopics:
    """How many partitions each topic had when the group began to read it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, int]] = {}
        """By topic: its id, and the number of partitions."""

    def note(
        self,
        topic: str,
        topic_id: str,
        committed: Collection[CommittedPosition],
        num_partitions: int,
    ) -> None:
        """Note what the group's commits say; if there are none, the group begins now.

        Args:
            topic: its name.
            topic_id: its present id; "" if it has none.
            committed: what the group has committed for any of its partitions.
            num_partitions: that it has now.
        """
        known_id, known = self._known.get(topic, ("", 0))
        if known and is_same_topic(known_id, topic_id):
            return
        valid = [p for p in committed if is_same_topic(p.topic_id, topic_id)]
        stated = [p.began_with for p in valid if p.began_with]
        began_with = min(stated, default=0) if valid else num_partitions
        self._known[topic] = topic_id, began_with

    def began_with(self, topic: str) -> int:
        """Return how many partitions the topic had; 0: commits of other programs don't say."""
        return self._known.get(topic, ("", 0))[1]

    def is_added(self, tp: TopicPartition, if_unknown: bool) -> bool:
        """Whether a partition without a committed offset was added after the group began.

        Args:
            tp: the partition.
            if_unknown: the answer where the number of partitions is not known.
        """
        began_with = self.began_with(tp.topic)
        return tp.partition >= began_with if began_with else if_unknown
