"""Which members of a group run another pipeline, by what they say when they join."""

from __future__ import annotations

from typing import Any

import pytest

from streams.kafka.group_members import Member, Membership, strangers
from streams.settings import AgentSettings, PipelineSettings
from streams.transport.assignor import Assignor

AGENT: dict[str, Any] = {"input": "in", "output": "out", "model": "robust_zscore"}


def says(guarantee: Any = "at_least_once", **agent: Any) -> Membership:
    settings = AgentSettings(**{**AGENT, **agent})
    return Membership.of(PipelineSettings(agents={"z": settings}, guarantee=guarantee))


def member(says: Membership, *topics: str) -> Member:
    return Member("penstock-2", "10.0.0.7", frozenset(topics or ("in",)), says)


def sentences(*members: Member) -> list[str]:
    return list(strangers(members, says(), ["in"]).values())


def test_a_worker_of_the_same_pipeline_is_no_stranger() -> None:
    assert sentences(member(says()), member(says(model="online_kmeans", concurrency=2))) == []


@pytest.mark.parametrize("other", [{"output": "other"}, {"input": ["in", "more"]}])
def test_another_pipeline_is_named_with_client_id_and_host(other: dict[str, Any]) -> None:
    (sentence,) = sentences(member(says(**other)))
    assert sentence.startswith("penstock-2 at 10.0.0.7 is a member of the same group and runs ")
    assert "give each pipeline file its own kafka.group.id" in sentence


def test_another_guarantee_is_named() -> None:
    (sentence,) = sentences(member(says(guarantee="exactly_once")))
    assert "with guarantee exactly_once" in sentence
    assert "this one (at_least_once)" in sentence


def test_a_member_that_says_nothing_is_a_stranger_if_it_reads_other_topics() -> None:
    """An older Penstock says nothing; it must not be named during an upgrade."""
    assert sentences(member(Membership())) == []
    (sentence,) = sentences(member(Membership(), "in", "payments"))
    assert "it reads in, payments" in sentence


@pytest.mark.parametrize("user_data", [None, b"", b"\x00\x01faust", b"[1]", b'{"pipeline": 7}'])
def test_another_program_s_user_data_says_nothing(user_data: bytes | None) -> None:
    assert Membership.decode(user_data) == Membership()


def test_the_subscription_carries_what_a_worker_says() -> None:
    subscription = Assignor(says()).metadata(["in"])
    assert Membership.decode(subscription.user_data) == says()
    assert subscription.subscription == ["in"]
