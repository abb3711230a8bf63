"""A member of another pipeline is logged once, and counted while it is in the group."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from streams.health.group_watch import GroupWatch
from streams.health.metrics import Metrics
from streams.kafka.group_members import Member, Membership

OWN = Membership("aaaa", "at_least_once")
OTHER = Member("sensors", "10.0.0.7", frozenset({"in"}), Membership("bbbb", "at_least_once"))


async def test_a_stranger_is_logged_once_and_again_when_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = CollectorRegistry()
    group: list[Member] = []

    async def members() -> list[Member]:
        return group

    watch = GroupWatch(OWN, ["in"], members, Metrics(registry))
    counts = []
    for there in (False, True, True, False, True):
        group[:] = [OTHER] if there else []
        await watch.check()
        counts.append(registry.get_sample_value("penstock_group_foreign_members"))
    assert counts == [0, 1, 1, 0, 1]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(line.startswith("sensors at 10.0.0.7 is a member of the same") for line in lines)
