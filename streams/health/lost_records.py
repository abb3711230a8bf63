"""Log and count records that can't be read any more, so that no loss goes unnoticed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from streams.health.metrics import Metrics
from streams.kafka.position_reset import LostReason, PositionReset, ResetPolicy
from streams.records import TopicPartition

logger = logging.getLogger(__name__)


class LostRecords:
    """Logs and counts lost records of the input topics; thread-safe."""

    def __init__(
        self,
        metrics: Metrics,
        agents: Mapping[str, Sequence[str]],
        outputs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Count nothing yet.

        Args:
            metrics: of the worker.
            agents: the agents that read each topic.
            outputs: the role of each topic that agents write, such as `output of agent z`.
        """
        self._metrics = metrics
        self._agents = agents
        self._roles: dict[str, str] = {}
        for topic, role in outputs.items():
            self.add_output(topic, role)
        for topic in agents:
            metrics.topic_missing.labels(topic).set(0)
            for reason in LostReason:
                self.count(topic, reason, 0)

    def add_output(self, topic: str, role: str) -> None:
        """Report this topic too, which agents write and none reads."""
        if topic not in self._agents:
            self._roles[topic] = role
            self._metrics.topic_missing.labels(topic).set(0)

    @property
    def outputs(self) -> frozenset[str]:
        """The topics that agents write and none reads."""
        return frozenset(self._roles)

    def count(self, topic: str, reason: LostReason, num_records: int) -> None:
        """Count lost records of a topic."""
        for agent in self._agents.get(topic, ()):
            self._metrics.records_lost.labels(agent, topic, reason).inc(num_records)

    def position_reset(self, tp: TopicPartition, reset: PositionReset, policy: ResetPolicy) -> None:
        """Report a partition whose next offset is no longer in the topic."""
        self.count(tp.topic, reset.reason, reset.num_lost)
        goes_on = f"reading goes on at offset {reset.start} (auto.offset.reset: {policy})"
        if reset.reason is LostReason.REMOVED:
            logger.warning(
                "%s:%d: offsets %d to %d (%s records at most) were removed before they were read: "
                "by the topic's retention, or by delete-records; %s",
                *(*tp, reset.first_lost, reset.first_lost + reset.num_lost - 1),
                *(f"{reset.num_lost:,}", goes_on),
            )
            return
        logger.warning(
            "%s:%d: offset %d was to be read next, as read or committed before, but the topic %s "
            "at offset %d: its last records were lost (an unclean leader election, a restored "
            "broker), or the group's offset was set too high; %s",
            *(*tp, reset.first_lost + reset.num_lost),
            *("was cut" if reset.start == reset.first_lost else "ends", reset.first_lost, goes_on),
        )

    def unknown_epoch(self, tp: TopicPartition, offset: int) -> None:
        """Report a partition whose leader does not know the leader epoch of a committed offset."""
        logger.warning(
            "%s:%d: its leader does not know in which leader epoch the record below offset %d was "
            "written: the log may have been cut (a restored broker); reading goes on there", *tp,
            offset,
        )  # fmt: skip

    def topic_deleted(self, topic: str, num_unread: int, num_in_work: int) -> None:
        """Report a topic that is gone."""
        self._metrics.topic_missing.labels(topic).set(1)
        if topic in self.outputs:
            logger.warning(
                "output topic %s does not exist (%s): what is to be written to it waits until it "
                "exists again, /ready fails meanwhile; the worker creates no topic: "
                "`penstock topics create` does; what was in it is gone", topic, self._roles[topic],
            )  # fmt: skip
            return
        self.count(topic, LostReason.TOPIC_DELETED, num_unread)
        logger.warning(
            "input topic %s does not exist: %s; the worker waits until it exists again, /ready "
            "fails meanwhile", topic, _remains(num_unread, num_in_work),
        )  # fmt: skip

    def topic_is_back(self, topic: str) -> None:
        """Report that a topic exists again."""
        self._metrics.topic_missing.labels(topic).set(0)
        logger.warning("topic %s exists again", topic)

    def topic_made_again(
        self,
        topic: str,
        ids: tuple[str, str],
        num_unread: int = 0,
        num_in_work: int = 0,
        is_reported: bool = False,
    ) -> None:
        """Report a topic that was deleted and made again.

        Args:
            topic: its name.
            ids: the old topic's and the new topic's.
            num_unread: records of the old topic that were not read.
            num_in_work: records of the old topic that were read and not finished.
            is_reported: whether the deletion was reported before, with these numbers.
        """
        if topic in self.outputs:
            logger.warning(
                "output topic %s was deleted and made again (topic id %s, now %s): what was in it "
                "is gone; what waited for its acknowledgement is written to the new one",
                *(topic, *ids),
            )
            return
        self.count(topic, LostReason.TOPIC_DELETED, num_unread)
        logger.warning(
            "input topic %s was deleted and made again (topic id %s, now %s): %s; no offset of the "
            "old topic holds for the new one, which is read from its start",
            *(topic, *ids, "see above" if is_reported else _remains(num_unread, num_in_work)),
        )

    def unfinished(self, topic: str, num_records: int) -> None:
        """Report records of a deleted topic that were read and could not be finished in time."""
        self.count(topic, LostReason.TOPIC_DELETED, num_records)
        logger.warning(
            "%s records of the deleted topic %s were read and not answered in time: they can't be "
            "read again", f"{num_records:,}", topic,
        )  # fmt: skip

    def commit_of_another_topic(self, topic: str, ids: tuple[str, str], partitions: int) -> None:
        """Report committed offsets that belong to an earlier topic of the same name."""
        logger.warning(
            "input topic %s: the group's committed offsets of %d partitions belong to an earlier "
            "topic of this name (topic id %s, now %s), which was deleted: they don't hold, and the "
            "topic is read from its start; how many records of the earlier topic were never read "
            "is not known", topic, partitions, *ids,
        )  # fmt: skip


def _remains(num_unread: int, num_in_work: int) -> str:
    if not num_unread and not num_in_work:
        return (
            "every record that this worker knew of was answered; those that came in its last "
            "seconds, if any, are not known"
        )
    unread = f"up to {num_unread:,} of its records were never read"
    return f"{unread}, {num_in_work:,} were read and are still answered, as far as there is time"
