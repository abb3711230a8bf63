"""Which partitions without a committed offset were added after the group began."""

from __future__ import annotations

from streams.kafka.positions import CommittedPosition
from streams.records import TopicPartition
from streams.transport.begun_topics import BegunTopics

OLD, NEW = "a" * 22, "b" * 22


def added(begun: BegunTopics, partition: int, if_unknown: bool = False) -> bool:
    return begun.is_added(TopicPartition("in", partition), if_unknown)


def test_a_group_without_commits_begins_with_all_partitions() -> None:
    begun = BegunTopics()
    begun.note("in", OLD, [], 4)
    assert begun.began_with("in") == 4
    assert not added(begun, 3)


def test_partitions_above_those_that_the_commits_name_were_added() -> None:
    begun = BegunTopics()
    begun.note(
        "in",
        OLD,
        [CommittedPosition(7, OLD, began_with=4), CommittedPosition(0, OLD, began_with=4)],
        8,
    )
    assert begun.began_with("in") == 4
    assert [added(begun, p) for p in (3, 4, 7)] == [False, True, True]


def test_a_worker_remembers_what_it_began_with() -> None:
    """Its commits of the first partitions may not have arrived when others are added."""
    begun = BegunTopics()
    begun.note("in", OLD, [], 2)
    begun.note("in", OLD, [], 4)
    assert [added(begun, p) for p in (1, 2)] == [False, True]


def test_two_workers_that_begin_together_agree() -> None:
    """One has committed its partitions, the other not yet: these were there from the start."""
    other = BegunTopics()
    other.note("in", OLD, [CommittedPosition(100, OLD, began_with=4)], 4)
    assert not added(other, 3)


def test_commits_of_other_programs_do_not_say() -> None:
    begun = BegunTopics()
    begun.note("in", OLD, [CommittedPosition(7)], 4)
    assert begun.began_with("in") == 0
    assert added(begun, 1, if_unknown=True)
    assert not added(begun, 1, if_unknown=False)


def test_commits_of_a_deleted_topic_of_the_same_name_do_not_count() -> None:
    begun = BegunTopics()
    begun.note("in", NEW, [CommittedPosition(7, OLD, began_with=2)], 6)
    assert begun.began_with("in") == 6
    begun = BegunTopics()
    begun.note("in", OLD, [], 2)
    begun.note("in", NEW, [], 6)
    assert begun.began_with("in") == 6
