"""Say and count that partitions were added to an input topic, and what that means."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from streams.assignment import AssignedPartitions
from streams.health.metrics import Metrics
from streams.records import TopicPartition

logger = logging.getLogger(__name__)

#: The reason in `penstock_state_mismatch_total`.
REASON = "partitions_added"


class AddedPartitions:
    """Knows how many partitions each input topic has; thread-safe."""

    def __init__(
        self, metrics: Metrics, agents: Mapping[str, Sequence[str]], assigned: AssignedPartitions
    ) -> None:
        """Know no number yet.

        Args:
            metrics: of the worker.
            agents: the agents that read each topic.
            assigned: knows the topics whose agents learn.
        """
        self._metrics = metrics
        self._agents = agents
        self._assigned = assigned
        self._counts: dict[str, int] = {}
        self._reported: set[TopicPartition] = set()

    def forget(self, topic: str) -> None:
        """Forget a topic that was deleted; one of its name may have any number of partitions."""
        self._counts.pop(topic, None)
        self._reported = {tp for tp in self._reported if tp.topic != topic}

    def saw(self, topic: str, count: int) -> None:
        """Note a topic's present number of partitions; warn once if it has grown."""
        before = self._counts.get(topic)
        self._counts[topic] = max(count, before or 0)
        if before is None or count <= before:
            return
        self._reported.update(TopicPartition(topic, p) for p in range(before, count))
        logger.warning(
            "input topic %s has %d partitions now, %d before: the new ones are read from their "
            "start, within seconds; producers send most keys to another partition from now on, so "
            "a key's results have no order across the change%s",
            *(topic, count, before, self._about_state(topic)),
        )
        if topic in self._assigned.learning_topics:
            for agent in self._agents.get(topic, ()):
                self._metrics.state_mismatch.labels(agent, topic, REASON).inc(count - before)

    def starts(self, topic: str, partitions: Collection[TopicPartition], began_with: int) -> None:
        """Report partitions that begin now, and were added since the group began."""
        fresh = [tp for tp in sorted(partitions) if tp not in self._reported]
        self._reported.update(fresh)
        if fresh:
            logger.warning(
                "input topic %s: partitions %s have no committed offset and were added since the "
                "group began to read it%s: they are read from their start%s",
                *(topic, ", ".join(str(tp.partition) for tp in fresh)),
                f" with {began_with}" if began_with else "",
                self._about_state(topic),
            )

    def _about_state(self, topic: str) -> str:
        if topic not in self._assigned.learning_topics:
            return ""
        agents = self._agents.get(topic, ())
        return (
            f"; what the models of {', '.join(agents)} have learned about a key stays in its old "
            "partition until it is moved: stop the workers and run `penstock state rekey`, which "
            "says whether the model can"
        )
