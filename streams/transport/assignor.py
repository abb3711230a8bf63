"""A group's sticky assignment, with what each worker says about itself in its subscription.

Kafka lets a group's leader assign the partitions, and carries what each member says about itself
(the user data) to it. Here that is the member's pipeline, the partitions that it has, and the
generation in which it got them: `sticky.assign` needs no more.

A group uses a protocol that all of its members offer. Older workers offer `roundrobin` alone, so
each worker offers both names, its own first. In a group with an older worker the broker chooses
`roundrobin`: an older leader then assigns round robin, and a newer one is sticky all the same,
since members accept any assignment. Once no older worker is left it chooses `penstock-sticky`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.protocol.group import JoinGroupRequest

from streams.kafka.group_members import Membership
from streams.records import TopicPartition
from streams.transport.sticky import Reader, assign

#: The protocol that older workers offer.
_OLDER_NAME = "roundrobin"


class _UserData(Membership, frozen=True):
    """What a member says: its pipeline, and what it was last assigned."""

    held: dict[str, list[int]] = msgspec.field(default_factory=dict)
    """Topic -> partitions."""
    generation: int = -1


class Assignor:
    """aiokafka's interface of an assignor; one object for each member."""

    name = "penstock-sticky"
    version = 0

    def __init__(self, says: Membership) -> None:
        self._says = says
        self._held: dict[str, list[int]] = {}
        self.generation = -1
        """The group's generation in which this member was last assigned partitions."""

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return the subscription that this member joins with."""
        says = _UserData(self._says.pipeline, self._says.guarantee, self._held, self.generation)
        return ConsumerProtocolMemberMetadata(self.version, list(topics), says.encode())

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Note what this member was assigned: it says so when it joins again."""
        self._held = {}
        for topic, partition in sorted(assignment.partitions()):
            self._held.setdefault(topic, []).append(partition)

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Assign the partitions of all topics to the members; called in the group's leader."""
        readers = {member: _reader(subscription) for member, subscription in members.items()}
        topics = frozenset[str]().union(*(reader.topics for reader in readers.values()))
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        assigned = assign(counts, readers)
        return {member: self._assignment(assigned[member]) for member in members}

    def _assignment(self, partitions: Iterable[TopicPartition]) -> ConsumerProtocolMemberAssignment:
        by_topic: dict[str, list[int]] = {}
        for topic, partition in partitions:
            by_topic.setdefault(topic, []).append(partition)
        return ConsumerProtocolMemberAssignment(self.version, list(by_topic.items()), b"")


def _reader(subscription: ConsumerProtocolMemberMetadata) -> Reader:
    topics = frozenset(subscription.subscription)
    try:
        says = msgspec.json.decode(subscription.user_data or b"{}", type=_UserData)
    except msgspec.DecodeError:  # another program's user data
        return Reader(topics)
    held = [TopicPartition(topic, each) for topic, parts in says.held.items() for each in parts]
    return Reader(topics, held, says.generation)


class AssigningCoordinator(GroupCoordinator):  # type: ignore[misc]
    """`GroupCoordinator` that offers its assignor under two names, and tells it the generation.

    aiokafka joins once for each assignor in its list, each time with those before it, so the list
    has one and the second name is added to the request.
    """

    async def _send_req(self, request: Any) -> Any:
        if isinstance(request, JoinGroupRequest) and self._assigns_stickily():
            ((_, says),) = request._group_protocols
            request._group_protocols = [(Assignor.name, says), (_OLDER_NAME, says)]
        return await super()._send_req(request)

    def _assigns_stickily(self) -> bool:
        """Whether the assignor is not Faust's, which places tables."""
        return isinstance(self._assignors[0], Assignor)

    def _lookup_assignor(self, name: str) -> Any:
        return self._assignors[0]

    async def _on_join_complete(self, generation: int, *args: Any) -> None:
        if self._assigns_stickily():
            self._assignors[0].generation = generation
        await super()._on_join_complete(generation, *args)
