"""A committed offset holds only for the topic that it was committed for."""

from __future__ import annotations

from streams.kafka.positions import CommittedPosition
from streams.records import TopicPartition
from streams.transport.starting_offsets import StartingOffsets, choose

ONE, TWO = TopicPartition("numbers", 0), TopicPartition("numbers", 1)
OLD, NEW = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
NEVER: frozenset[str] = frozenset()


def chosen(
    committed: dict[TopicPartition, CommittedPosition],
    topic_id: str = NEW,
    made_again: frozenset[str] = NEVER,
) -> StartingOffsets:
    return choose([ONE, TWO], committed, {"numbers": topic_id}, made_again)


def test_reading_goes_on_at_the_committed_offset() -> None:
    committed = {ONE: CommittedPosition(7, NEW), TWO: CommittedPosition(0, NEW)}
    assert chosen(committed) == StartingOffsets({ONE: 7, TWO: 0}, [], {})


def test_an_offset_of_an_earlier_topic_does_not_hold() -> None:
    committed = {ONE: CommittedPosition(7, OLD), TWO: CommittedPosition(3, NEW)}
    assert chosen(committed) == StartingOffsets({TWO: 3}, [ONE], {"numbers": (OLD, [ONE])})


def test_an_offset_without_a_topic_id_holds() -> None:
    """As committed by an older Penstock, by Kafka's tools, or for a broker without ids."""
    assert chosen({ONE: CommittedPosition(7)}).committed == {ONE: 7}
    assert chosen({ONE: CommittedPosition(7, OLD)}, topic_id="").committed == {ONE: 7}


def test_without_an_offset_the_reset_policy_decides() -> None:
    assert chosen({}) == StartingOffsets({}, [], {})


def test_a_topic_made_again_under_a_worker_is_read_from_its_start() -> None:
    """Kafka has deleted the offsets with the old topic; `latest` would pass records over."""
    assert chosen({}, made_again=frozenset({"numbers"})).from_start == [ONE, TWO]
