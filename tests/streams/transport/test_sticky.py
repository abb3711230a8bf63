"""Partitions are level over the members of a group, and as few as possible move."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from streams.records import TopicPartition
from streams.transport.sticky import Reader, assign

Assignment = dict[str, list[TopicPartition]]


def rebalance(
    topics: Mapping[str, int], members: Iterable[str], before: Assignment | None = None
) -> Assignment:
    """Assign the topics to members, of which each holds what it had before."""
    held = before or {}
    readers = {
        name: Reader(frozenset(topics), held.get(name, ()), 1 if name in held else -1)
        for name in members
    }
    return assign(topics, readers)


def owners(assignment: Assignment) -> dict[TopicPartition, str]:
    return {tp: member for member, held in assignment.items() for tp in held}


def moved(before: Assignment, after: Assignment) -> set[TopicPartition]:
    was, now = owners(before), owners(after)
    return {tp for tp in was if now[tp] != was[tp]}


def spread(counts: Iterable[int]) -> int:
    listed = list(counts)
    return max(listed) - min(listed)


def assert_level(topics: Mapping[str, int], assignment: Assignment) -> None:
    assert len(owners(assignment)) == sum(map(len, assignment.values())), "assigned twice"
    assert len(owners(assignment)) == sum(topics.values())
    assert spread(map(len, assignment.values())) <= 1
    for topic in topics:
        assert spread(sum(tp.topic == topic for tp in held) for held in assignment.values()) <= 1


def test_a_fourth_worker_moves_its_share_of_48_partitions_and_no_other() -> None:
    topics = {"in": 48}
    three = rebalance(topics, ["w1", "w2", "w3"])
    four = rebalance(topics, ["w1", "w2", "w3", "w4"], three)
    assert_level(topics, four)
    assert moved(three, four) == set(four["w4"])
    assert len(four["w4"]) == 12


def test_a_worker_that_leaves_moves_only_its_own() -> None:
    topics = {"in": 48}
    four = rebalance(topics, ["w1", "w2", "w3", "w4"])
    three = rebalance(topics, ["w1", "w2", "w4"], four)
    assert_level(topics, three)
    assert moved(four, three) == set(four["w3"])


def test_a_worker_in_the_place_of_another_gets_what_that_had() -> None:
    four = rebalance({"in": 48}, ["w1", "w2", "w3", "w4"])
    again = rebalance({"in": 48}, ["w1", "w2", "w4", "w5"], four)
    assert again["w5"] == four["w3"]
    assert len(moved(four, again)) == 12


def test_partitions_that_are_added_go_to_those_with_the_fewest() -> None:
    three = rebalance({"in": 5}, ["w1", "w2", "w3"])
    more = rebalance({"in": 9}, ["w1", "w2", "w3"], three)
    assert_level({"in": 9}, more)
    assert moved(three, more) == set()


def test_topics_with_equally_many_partitions_stay_together() -> None:
    topics = {"frames": 12, "labels": 12}
    before = rebalance(topics, ["w1", "w2", "w3"])
    for members in (["w1", "w2", "w3", "w4"], ["w1", "w2"], ["w3"]):
        after = rebalance(topics, members, before)
        for held in after.values():
            by_topic = [{tp.partition for tp in held if tp.topic == topic} for topic in topics]
            assert by_topic[0] == by_topic[1], members


def test_the_later_of_two_that_name_a_partition_has_it() -> None:
    """One was frozen and still believes that it has partitions of an earlier generation."""
    held = [TopicPartition("in", 0), TopicPartition("in", 1)]
    readers = {
        "a": Reader(frozenset({"in"}), held, 3),
        "b": Reader(frozenset({"in"}), held[:1], 7),
    }
    assert assign({"in": 2}, readers) == {"a": held[1:], "b": held[:1]}


def test_partitions_of_topics_that_are_gone_or_no_longer_read_are_given_up() -> None:
    readers = {
        "a": Reader(frozenset({"x"}), [TopicPartition("gone", 0), TopicPartition("y", 0)], 1),
        "b": Reader(frozenset({"x", "y"})),
    }
    assigned = assign({"x": 1, "y": 1, "unread": 3}, readers)
    assert assigned == {"a": [TopicPartition("x", 0)], "b": [TopicPartition("y", 0)]}


def test_each_topic_is_level_among_those_that_read_it() -> None:
    """As while a pipeline file with another input is rolled out."""
    readers = {"a": Reader(frozenset({"x"})), "b": Reader(frozenset({"x", "y"}))}
    assigned = assign({"x": 4, "y": 2}, readers)
    counts = {member: Counter(tp.topic for tp in held) for member, held in assigned.items()}
    assert counts == {"a": {"x": 2}, "b": {"x": 2, "y": 2}}


def test_more_members_than_partitions() -> None:
    three = rebalance({"in": 2}, ["w1", "w2", "w3"])
    assert sorted(map(len, three.values())) == [0, 1, 1]
    assert rebalance({"in": 2}, ["w1", "w2", "w3"], three) == three


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_joins_and_leaves(seed: int) -> None:
    """Always level, the same for the same group, and at most the needed partitions of one topic."""
    rng = random.Random(seed)
    topics = {f"t{i}": rng.randint(1, 30) for i in range(rng.choice([1, 1, 4]))}
    members = [f"w{i}" for i in range(rng.randint(1, 6))]
    before = rebalance(topics, members)
    for number in range(100, 115):
        if len(members) > 1 and rng.random() < 0.5:
            members.remove(rng.choice(members))
        else:
            members.insert(rng.randrange(len(members) + 1), f"w{number}")
        after = rebalance(topics, members, before)
        assert_level(topics, after)
        assert rebalance(topics, reversed(members), before) == after
        assert moved(after, rebalance(topics, members, after)) == set()
        if len(topics) == 1:
            left = sum(len(held) for member, held in before.items() if member not in members)
            joined = sum(len(held) for member, held in after.items() if member not in before)
            assert len(moved(before, after)) == max(left, joined)
        before = after


def test_a_thousand_partitions_of_a_hundred_members() -> None:
    topics = {"in": 800, "more": 200}
    members = [f"w{i}" for i in range(100)]
    before = rebalance(topics, members)
    after = rebalance(topics, [*members, "new"], before)
    assert_level(topics, after)
    assert moved(before, after) == set(after["new"])
