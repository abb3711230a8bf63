"""Where a worker starts to read each partition that its group assigns.

At the group's committed offset, if it belongs to the topic as it is now. A committed offset of an
earlier topic of the same name does not hold: then the partition is read from its start, since every
record of the new topic is newer than what the group has read. So is a partition that was added
after the group began. Where else nothing is committed, `auto.offset.reset` decides; the end of a
partition is committed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from streams.kafka.positions import CommittedPosition, is_same_topic
from streams.records import TopicPartition

if TYPE_CHECKING:
    from streams.transport.consumer import Consumer


class StartingOffsets(NamedTuple):
    """Where partitions start."""

    committed: dict[TopicPartition, int]
    """Those that go on at the group's committed offset."""
    from_start: list[TopicPartition]
    """Those that are read from their first record."""
    foreign: dict[str, tuple[str, list[TopicPartition]]]
    """By topic: an earlier topic's id, and the partitions whose committed offset belongs to it."""


def choose(
    partitions: Iterable[TopicPartition],
    committed: Mapping[TopicPartition, CommittedPosition],
    topic_ids: Mapping[str, str],
    made_again: frozenset[str],
) -> StartingOffsets:
    """Choose where partitions start; those that are not in the result have no offset.

    Args:
        partitions: all to be read.
        committed: what the group has committed for them.
        topic_ids: the present id of each topic; "" if it has none.
        made_again: topics that were made again while this worker ran.
    """
    chosen = StartingOffsets({}, [], {})
    for tp in partitions:
        position = committed.get(tp)
        if position is None:
            if tp.topic in made_again:
                chosen.from_start.append(tp)
        elif is_same_topic(position.topic_id, topic_ids[tp.topic]):
            chosen.committed[tp] = position.offset
        else:
            chosen.from_start.append(tp)
            chosen.foreign.setdefault(tp.topic, (position.topic_id, []))[1].append(tp)
    return chosen


async def starting_offsets(
    consumer: Consumer,
    committed: Mapping[TopicPartition, CommittedPosition],
    partitions: Collection[TopicPartition],
) -> dict[TopicPartition, int]:
    """Return where partitions start; report committed offsets that don't hold.

    Partitions without an offset are left out: they start at the first one.

    Args:
        consumer: the worker's.
        committed: what the group has committed, for all partitions of these topics.
        partitions: that are assigned.
    """
    ids = {tp.topic: consumer.topic_id(tp.topic) for tp in partitions}
    chosen = choose(partitions, committed, ids, consumer.topics_made_again())
    for tp in chosen.committed:
        consumer.begin_at(tp, committed[tp])
    lost = consumer.app.lost
    for topic, (old_id, foreign) in chosen.foreign.items():
        if topic not in consumer.topics_made_again():  # else it has been reported
            lost.commit_of_another_topic(topic, (old_id, ids[topic]), len(foreign))
    policy = consumer.app.reset_policy
    without = [tp for tp in partitions if tp not in chosen.committed]
    begins = [tp for tp in without if tp not in chosen.from_start]
    added = _added(consumer, committed, ids, begins)
    if policy == "none" and (missing := [tp for tp in without if tp not in added]):
        await consumer.stop_without_reset(missing[0])
    consumer.note_committed(partitions, chosen.committed)
    offsets = dict(chosen.committed)
    if from_start := [*chosen.from_start, *added]:
        first = await consumer.earliest_offsets(*from_start)
        offsets |= {tp: first[tp] for tp in from_start}
    if policy == "latest" and (at_end := [tp for tp in begins if tp not in added]):
        end = await consumer.latest_offsets(*at_end)
        offsets |= {tp: end[tp] for tp in at_end}
        consumer.commit_later({tp: end[tp] for tp in at_end})
    return offsets


def _added(
    consumer: Consumer,
    committed: Mapping[TopicPartition, CommittedPosition],
    topic_ids: Mapping[str, str],
    begins: Collection[TopicPartition],
) -> list[TopicPartition]:
    """Return and report the partitions that were added since the group began to read the topic."""
    begun = consumer.begun
    for topic, topic_id in topic_ids.items():
        positions = [position for tp, position in committed.items() if tp.topic == topic]
        num_partitions = consumer.num_partitions(topic)
        begun.note(topic, topic_id, positions, num_partitions)
        consumer.app.added.saw(topic, num_partitions)
    is_latest = consumer.app.reset_policy == "latest"
    added = [tp for tp in begins if begun.is_added(tp, if_unknown=is_latest)]
    for topic in topic_ids:
        mine = [tp for tp in added if tp.topic == topic]
        consumer.app.added.starts(topic, mine, begun.began_with(topic))
    return added
