"""Round-robin assignment, with what a worker says about itself in its subscription."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from streams.kafka.group_members import Membership


class Assignor(RoundRobinPartitionAssignor):  # type: ignore[misc]
    """aiokafka's `RoundRobinPartitionAssignor`, whose members name their pipeline."""

    def __init__(self, says: Membership) -> None:
        self._user_data = says.encode()

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return the subscription that this member joins with."""
        return ConsumerProtocolMemberMetadata(self.version, list(topics), self._user_data)
