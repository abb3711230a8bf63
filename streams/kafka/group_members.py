"""Find members of a consumer group that run another pipeline.

Two pipelines with one `group.id` share the partitions of a common input: each record is answered by
one of the two, and both look healthy. So every member joins with a fingerprint of its pipeline in
the user data of its subscription, where each other member, and `penstock check`, can read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from streams.kafka.settings import Kafka, aiokafka_arguments
from streams.settings import PipelineSettings

#: Hexadecimal digits of a fingerprint.
_FINGERPRINT_LENGTH = 12
#: The state of a group in which the broker lists the members' subscriptions.
_STABLE = "Stable"


class Membership(msgspec.Struct, frozen=True):
    """What a member of the group says about itself: the user data of its subscription, as JSON."""

    pipeline: str = ""
    """Fingerprint of its agents' topics; "": not a Penstock worker, or an older one."""
    guarantee: str = ""

    @classmethod
    def of(cls, settings: PipelineSettings) -> Membership:
        """Return what a worker of a pipeline says.

        Models and their options are left out: a new version of a pipeline's model does not make it
        another pipeline.
        """
        agents = {
            name: [agent.inputs, agent.output, agent.updates, agent.dead_letter_topics]
            for name, agent in settings.agents.items()
        }
        encoded = msgspec.json.encode(agents, order="sorted")
        return cls(hashlib.sha256(encoded).hexdigest()[:_FINGERPRINT_LENGTH], settings.guarantee)

    @classmethod
    def decode(cls, user_data: bytes | None) -> Membership:
        """Return what a member says; empty if that is nothing, or not Penstock's."""
        try:
            return msgspec.json.decode(user_data or b"{}", type=cls)
        except msgspec.DecodeError:  # another program's user data
            return cls()

    def encode(self) -> bytes:
        """Return the user data."""
        return msgspec.json.encode(self)


class Member(msgspec.Struct, frozen=True):
    """A member of a consumer group."""

    client_id: str
    host: str
    """The address that it connects from."""
    topics: frozenset[str]
    """The topics that it subscribes to."""
    says: Membership

    def __str__(self) -> str:
        return f"{self.client_id} at {self.host}"


async def group_members(kafka: Kafka, group: str) -> list[Member]:
    """Return the members of a consumer group; none while the group is rebalancing.

    Raises:
        KafkaError: the broker does not answer, or refuses; the embedded broker always does.
        BrokerSettingsError: a client setting is missing or has a wrong value.
    """
    admin = AIOKafkaAdminClient(**aiokafka_arguments(kafka, "admin"))
    try:
        await admin.start()
        responses = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    return [
        _member(*member[1:4])
        for response in responses
        for _, _, state, _, _, members, *_ in response.groups
        if state == _STABLE
        for member in members
    ]


def _member(client_id: str, host: str, subscription: bytes) -> Member:
    topics: Sequence[str] = ()
    user_data = None
    if subscription:
        decoded: Any = ConsumerProtocolMemberMetadata.decode(subscription)
        topics, user_data = decoded.subscription, decoded.user_data
    # Java writes addresses as `host/address`, without the host's name.
    return Member(client_id, host.lstrip("/"), frozenset(topics), Membership.decode(user_data))


def strangers(
    members: Collection[Member], own: Membership, inputs: Collection[str]
) -> dict[Member, str]:
    """Return the members that run another pipeline, each with a sentence about it.

    A member without a fingerprint that reads the same topics is an older Penstock, and left out.

    Args:
        members: of the group.
        own: what the workers of this pipeline say.
        inputs: the topics that this pipeline reads.
    """
    found: dict[Member, str] = {}
    for member in members:
        says = member.says
        if says.pipeline == own.pipeline and says.guarantee != own.guarantee:
            found[member] = (
                f"{member} is a member of the same group with guarantee {says.guarantee}: all "
                f"workers of a group need the same; stop it, or this one ({own.guarantee})"
            )
        elif (says.pipeline or member.topics != frozenset(inputs)) and says != own:
            reads = ", ".join(sorted(member.topics)) or "nothing"
            found[member] = (
                f"{member} is a member of the same group and runs another pipeline (it reads "
                f"{reads}): a record of a shared input is answered by one of the two only; give "
                "each pipeline file its own kafka.group.id"
            )
    return found
