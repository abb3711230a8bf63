"""Where each assigned partition starts: by what is committed, and for every policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.assignment import AssignedPartitions
from streams.health.added_partitions import AddedPartitions
from streams.health.lost_records import LostRecords
from streams.health.metrics import Metrics
from streams.kafka.positions import CommittedPosition
from streams.records import TopicPartition
from streams.transport.begun_topics import BegunTopics
from streams.transport.starting_offsets import StartingOffsets, choose, starting_offsets

ID, OLD = "a" * 22, "b" * 22
FIRST, END = 3, 50


class Stopped(Exception):
    """The worker ends, since it has no offset to start from."""


class FakeConsumer:
    """Its topic `in` has this many partitions, of offsets 3 to 50."""

    def __init__(self, policy: str, num_partitions: int = 4) -> None:
        metrics = Metrics(CollectorRegistry())
        agents = {"in": ["score"]}
        assigned = AssignedPartitions({}, metrics)
        self.app = SimpleNamespace(
            reset_policy=policy,
            lost=LostRecords(metrics, agents),
            added=AddedPartitions(metrics, agents, assigned),
        )
        self.begun = BegunTopics()
        self.count = num_partitions
        self.committed: set[TopicPartition] = set()
        self.later: dict[TopicPartition, int] = {}

    def topic_id(self, topic: str) -> str:
        return ID

    def topics_made_again(self) -> frozenset[str]:
        return frozenset()

    def num_partitions(self, topic: str) -> int:
        return self.count

    def begin_at(self, tp: TopicPartition, position: CommittedPosition) -> None: ...

    async def earliest_offsets(self, *tps: TopicPartition) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(tps, FIRST)

    async def latest_offsets(self, *tps: TopicPartition) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(tps, END)

    async def stop_without_reset(self, tp: TopicPartition, offset: int | None = None) -> None:
        raise Stopped(f"{tp.partition}")

    def note_committed(
        self, partitions: Iterable[TopicPartition], committed: Iterable[TopicPartition]
    ) -> None:
        self.committed = set(committed)

    def commit_later(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.later |= offsets


async def start(consumer: Any, committed: dict[int, CommittedPosition]) -> dict[int, int]:
    partitions = [TopicPartition("in", p) for p in range(consumer.count)]
    positions = {TopicPartition("in", p): position for p, position in committed.items()}
    found = await starting_offsets(consumer, positions, partitions)
    return {tp.partition: offset for tp, offset in found.items()}


def at(offset: int, began_with: int = 2, topic_id: str = ID) -> CommittedPosition:
    return CommittedPosition(offset, topic_id, began_with=began_with)


async def test_latest_reads_added_partitions_from_their_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    consumer = FakeConsumer("latest")
    assert await start(consumer, {0: at(20), 1: at(21)}) == {0: 20, 1: 21, 2: FIRST, 3: FIRST}
    assert consumer.later == {}
    assert {tp.partition for tp in consumer.committed} == {0, 1}
    assert "partitions 2, 3 have no committed offset and were added since" in caplog.text
    assert "began to read it with 2" in caplog.text


async def test_latest_begins_at_the_end_and_commits_that() -> None:
    consumer = FakeConsumer("latest")
    assert await start(consumer, {}) == dict.fromkeys(range(4), END)
    assert {tp.partition: offset for tp, offset in consumer.later.items()} == dict.fromkeys(
        range(4), END
    )
    consumer.count = 6  # before any commit
    later = await start(consumer, {})
    assert later == {**dict.fromkeys(range(4), END), 4: FIRST, 5: FIRST}


async def test_latest_reads_all_from_the_start_where_commits_do_not_say() -> None:
    """Of an earlier version: a record more is better than one that is passed over."""
    consumer = FakeConsumer("latest")
    found = await start(consumer, {0: CommittedPosition(20)})
    assert found == {0: 20, 1: FIRST, 2: FIRST, 3: FIRST}


async def test_earliest_leaves_what_is_not_committed_to_the_client() -> None:
    consumer = FakeConsumer("earliest")
    assert await start(consumer, {0: at(20, 4)}) == {0: 20}
    assert consumer.later == {}


async def test_none_stops_without_an_offset_but_not_for_an_added_partition() -> None:
    consumer = FakeConsumer("none")
    found = await start(consumer, {0: at(20), 1: at(21)})
    assert found == {0: 20, 1: 21, 2: FIRST, 3: FIRST}
    with pytest.raises(Stopped, match="1"):
        await start(FakeConsumer("none"), {0: at(20), 2: at(20), 3: at(20)})
    with pytest.raises(Stopped, match="0"):
        await start(FakeConsumer("none"), {})


async def test_an_added_partition_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    consumer = FakeConsumer("earliest")
    for _ in range(2):
        await start(consumer, {0: at(20), 1: at(20)})
    assert caplog.text.count("were added since") == 1


ONE, TWO = TopicPartition("numbers", 0), TopicPartition("numbers", 1)
EARLIER, PRESENT = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
NEVER: frozenset[str] = frozenset()


def chosen(
    committed: dict[TopicPartition, CommittedPosition],
    topic_id: str = PRESENT,
    made_again: frozenset[str] = NEVER,
) -> StartingOffsets:
    return choose([ONE, TWO], committed, {"numbers": topic_id}, made_again)


def test_reading_goes_on_at_the_committed_offset() -> None:
    committed = {ONE: CommittedPosition(7, PRESENT), TWO: CommittedPosition(0, PRESENT)}
    assert chosen(committed) == StartingOffsets({ONE: 7, TWO: 0}, [], {})


def test_an_offset_of_an_earlier_topic_does_not_hold() -> None:
    committed = {ONE: CommittedPosition(7, EARLIER), TWO: CommittedPosition(3, PRESENT)}
    assert chosen(committed) == StartingOffsets({TWO: 3}, [ONE], {"numbers": (EARLIER, [ONE])})


def test_an_offset_without_a_topic_id_holds() -> None:
    """As committed by an older Penstock, by Kafka's tools, or for a broker without ids."""
    assert chosen({ONE: CommittedPosition(7)}).committed == {ONE: 7}
    assert chosen({ONE: CommittedPosition(7, EARLIER)}, topic_id="").committed == {ONE: 7}


def test_without_an_offset_the_reset_policy_decides() -> None:
    assert chosen({}) == StartingOffsets({}, [], {})


def test_a_topic_made_again_under_a_worker_is_read_from_its_start() -> None:
    """Kafka has deleted the offsets with the old topic; `latest` would pass records over."""
    assert chosen({}, made_again=frozenset({"numbers"})).from_start == [ONE, TWO]
