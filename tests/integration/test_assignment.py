"""A group of real consumers on a real broker: what moves when one joins, leaves or is older."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from confluent_kafka.admin import AdminClient

from streams.kafka.admin import create_topics
from streams.kafka.group_members import Membership
from streams.settings import TopicSettings
from streams.transport.assignor import Assignor
from streams.transport.static_member import use_coordinator

pytestmark = pytest.mark.kafka
PARTITIONS, SETTLE_SECONDS = 48, 120.0


class Group:
    """Consumers of one topic, each with the assignor that workers have, or the older one."""

    def __init__(self, bootstrap: str) -> None:
        self.name = f"group-{uuid.uuid4().hex[:8]}"
        self.bootstrap = bootstrap
        self.members: list[AIOKafkaConsumer] = []
        create_topics({"bootstrap.servers": bootstrap},
                      {self.name: TopicSettings(partitions=PARTITIONS)})  # fmt: skip

    async def join(self, is_older: bool = False) -> AIOKafkaConsumer:
        use_coordinator()
        assignor: Any = RoundRobinPartitionAssignor if is_older else Assignor(Membership("p"))
        member = AIOKafkaConsumer(
            self.name, bootstrap_servers=self.bootstrap, group_id=self.name,
            partition_assignment_strategy=[assignor], heartbeat_interval_ms=500,
            session_timeout_ms=30_000, enable_auto_commit=False,
        )  # fmt: skip
        await member.start()
        self.members.append(member)
        return member

    async def leave(self, member: AIOKafkaConsumer) -> None:
        self.members.remove(member)
        await member.stop()

    async def settled(self) -> list[set[int]]:
        """Return the partitions of each member, once each has its share and none has two owners."""
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        low, rest = divmod(PARTITIONS, len(self.members))
        sizes = sorted([low + 1] * rest + [low] * (len(self.members) - rest))
        while asyncio.get_running_loop().time() < deadline:
            held = [{tp.partition for tp in member.assignment()} for member in self.members]
            if sorted(map(len, held)) == sizes and len(set().union(*held)) == PARTITIONS:
                return held
            await asyncio.sleep(0.1)
        raise AssertionError(f"not settled: {held}")

    def protocol(self) -> str:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        described = admin.describe_consumer_groups([self.name], request_timeout=60)[self.name]
        return str(described.result().partition_assignor)


@asynccontextmanager
async def group_of(bootstrap: str, older: Sequence[bool]) -> AsyncIterator[Group]:
    group = Group(bootstrap)
    try:
        for is_older in older:
            await group.join(is_older)
        yield group
    finally:
        for member in list(group.members):
            await group.leave(member)


async def test_a_fourth_member_moves_12_of_48_and_a_leave_moves_12_back(
    kafka_bootstrap: str,
) -> None:
    async with group_of(kafka_bootstrap, [False] * 3) as group:
        three = await group.settled()
        fourth = await group.join()
        four = await group.settled()
        assert all(now < was for now, was in zip(four, three, strict=False))
        assert len(four[3]) == 12
        assert group.protocol() == "penstock-sticky"
        await group.leave(fourth)
        again = await group.settled()
        assert all(was < now for was, now in zip(four, again, strict=False))


async def test_a_rolling_upgrade(kafka_bootstrap: str) -> None:
    """Older members leave one by one and newer ones join; then the group is sticky."""
    async with group_of(kafka_bootstrap, [True, True, True]) as group:
        await group.settled()
        for _ in range(3):
            await group.leave(group.members[0])
            await group.settled()
            await group.join()
            held = await group.settled()
            is_mixed = len([m for m in group.members if is_older(m)]) > 0
            assert group.protocol() == ("roundrobin" if is_mixed else "penstock-sticky")
        await group.join()
        assert all(now < was for now, was in zip(await group.settled(), held, strict=False))
        await group.join(is_older=True)  # a downgrade begins
        await group.settled()
        assert group.protocol() == "roundrobin"


def is_older(member: AIOKafkaConsumer) -> bool:
    return member._coordinator._assignors[0] is RoundRobinPartitionAssignor
