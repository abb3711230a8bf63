"""A worker's subscription carries what it has, and the leader assigns by that."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import (
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)
from aiokafka.protocol.group import JoinGroupRequest

from streams.kafka.group_members import Membership
from streams.transport.assignor import AssigningCoordinator, Assignor

SAYS = Membership("abc", "at_least_once")


class Cluster:
    """The topics of a broker."""

    def __init__(self, **topics: int) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._topics[topic])) if topic in self._topics else None


def assigned_to(assignor: Assignor, generation: int, *partitions: int) -> Assignor:
    assignor.generation = generation
    assignor.on_assignment(ConsumerProtocolMemberAssignment(0, [("in", list(partitions))], b""))
    return assignor


def test_what_a_worker_has_comes_to_the_leader_on_the_wire() -> None:
    says = assigned_to(Assignor(SAYS), 4, 1, 2).metadata(["in"]).encode()
    new = Assignor(SAYS).metadata(["in"]).encode()
    members = {
        "a": ConsumerProtocolMemberMetadata.decode(new),
        "b": ConsumerProtocolMemberMetadata.decode(says),
    }
    assigned = Assignor(SAYS).assign(Cluster(**{"in": 4}), members)
    assert assigned["b"].assignment == [("in", [1, 2])]
    assert assigned["a"].assignment == [("in", [0, 3])]
    assert ConsumerProtocolMemberAssignment.decode(assigned["b"].encode()).version == 0


def test_a_topic_that_is_not_there_is_left_out() -> None:
    assigned = Assignor(SAYS).assign(Cluster(), {"a": Assignor(SAYS).metadata(["in"])})
    assert assigned["a"].assignment == []


@pytest.mark.parametrize(
    "user_data",
    [b"", SAYS.encode(), b"\x00\x01other", b'{"held": {"in": "0"}}', b'{"held": {"in": [-7]}}'],
)
def test_members_that_do_not_say_what_they_have(user_data: bytes) -> None:
    """Older workers, other programs; and partitions that are not there."""
    members = {
        "a": ConsumerProtocolMemberMetadata(0, ["in"], user_data),
        "b": assigned_to(Assignor(SAYS), 4, 0).metadata(["in"]),
    }
    assigned = Assignor(SAYS).assign(Cluster(**{"in": 2}), members)
    assert (assigned["a"].assignment, assigned["b"].assignment) == ([("in", [1])], [("in", [0])])


def test_an_older_worker_understands_what_a_newer_one_says() -> None:
    """It reads the pipeline's fingerprint, and its leader assigns round robin."""
    says = assigned_to(Assignor(SAYS), 4, 0, 1).metadata(["in"])
    assert Membership.decode(says.user_data) == SAYS
    older = RoundRobinPartitionAssignor.assign(Cluster(**{"in": 2}), {"a": says, "b": says})
    assert [each.assignment for each in older.values()] == [[("in", [0])], [("in", [1])]]


async def test_a_worker_joins_under_both_names(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    async def send(_: Any, request: Any) -> None:
        sent.append(request)

    monkeypatch.setattr(GroupCoordinator, "_send_req", send)
    coordinator = AssigningCoordinator.__new__(AssigningCoordinator)
    coordinator._assignors = [Assignor(SAYS)]
    offered = [(Assignor.name, b"says")]
    request = JoinGroupRequest("g", 6000, 6000, "", None, "consumer", offered)
    await coordinator._send_req(request)
    assert sent[0]._group_protocols == [("penstock-sticky", b"says"), ("roundrobin", b"says")]
    assert offered == [(Assignor.name, b"says")]
    for name in ("penstock-sticky", "roundrobin"):
        assert coordinator._lookup_assignor(name) is coordinator._assignors[0]


async def test_faust_s_assignor_joins_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It places tables; no worker without tables may join such a group."""

    class Faust:
        name = "faust"

    async def send(_: Any, request: Any) -> Any:
        return request

    monkeypatch.setattr(GroupCoordinator, "_send_req", send)
    coordinator = AssigningCoordinator.__new__(AssigningCoordinator)
    coordinator._assignors = [Faust()]
    request = JoinGroupRequest("g", 6000, 6000, "", None, "consumer", [("faust", b"")])
    assert (await coordinator._send_req(request))._group_protocols == [("faust", b"")]
