"""Lag from positions, ends and the reset policy; no broker."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from agents.commands.lag.reading import LagReader
from agents.commands.lag.report import LagReport, PartitionLag
from agents.commands.lag.unread import MAX_COUNTED_OFFSETS, Unread
from streams.kafka.group_offsets import Member, Place
from streams.kafka.positions import CommittedPosition
from streams.kafka.reader import Bounds
from streams.settings import AgentSettings, PipelineSettings

NOW = 1_700_000_000.0
OLD_ID, NEW_ID = "a" * 22, "b" * 22


class Broker:
    """A topic of two partitions, and what a group has committed there."""

    def __init__(self) -> None:
        self.committed_now: dict[Place, CommittedPosition] = {}
        self.bounds_now = {("numbers", 0): Bounds(0, 10), ("numbers", 1): Bounds(0, 10)}
        self.real_ends: dict[Place, int] = {}
        self.topics = {"numbers": 2}
        self.is_embedded = False
        self.readings: list[Mapping[Place, Bounds]] = []

    def cluster(self) -> Any:
        return SimpleNamespace(topics=self.topics, is_embedded=self.is_embedded)

    def topic_ids(self, topics: Any) -> dict[str, str]:
        return dict.fromkeys(topics, NEW_ID)

    def committed(self, places: Any) -> dict[Place, CommittedPosition]:
        return self.committed_now

    def bounds(self, places: Any) -> dict[Place, Bounds]:
        return {place: self.bounds_now[place] for place in places}

    def high_watermarks(self, places: Any) -> dict[Place, int]:
        return {place: self.real_ends.get(place, self.bounds_now[place].end) for place in places}

    def members(self) -> list[Member]:
        return [Member("w", "10.0.0.1", 2)]

    def read(self, ranges: Mapping[Place, Bounds]) -> dict[Place, Unread]:
        """Find each offset to be a record, sent one minute ago."""
        self.readings.append(ranges)
        return {
            place: Unread(b.end, b.low, int((NOW - 60) * 1000), b.end - b.low, is_finished=True)
            for place, b in ranges.items()
        }

    def close(self) -> None:
        pass


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr("agents.commands.lag.reading.GroupOffsets", lambda *a: made)
    monkeypatch.setattr("agents.commands.lag.reading.UnreadReader", lambda *a: made)
    return made


def reader(reset: str = "earliest", **settings: Any) -> LagReader:
    agents = {"count": AgentSettings(input="numbers", output="counts", model="m")}
    kafka: dict[str, str | int | float | bool] = {
        "bootstrap.servers": "b:9092", "auto.offset.reset": reset
    }  # fmt: skip
    return LagReader(PipelineSettings(kafka=kafka, agents=agents, **settings), (), 1.0, lambda: NOW)


def lags(report: LagReport) -> list[int]:
    return [partition.lag_records for partition in report.partitions]


def first(report: LagReport) -> PartitionLag:
    return report.partitions[0]


def test_lag_is_what_is_behind_the_committed_offset(broker: Broker) -> None:
    broker.committed_now = {
        ("numbers", 0): CommittedPosition(4, NEW_ID), ("numbers", 1): CommittedPosition(10)
    }  # fmt: skip
    report = reader().read()
    assert lags(report) == [6, 0]
    assert first(report).lag_seconds == 60.0
    assert report.partitions[1].lag_seconds == 0.0
    assert report.num_members == 1


@pytest.mark.parametrize(("reset", "expected"), [("earliest", [10, 10]), ("latest", [0, 0])])
def test_without_a_position_lag_begins_where_reading_would(
    broker: Broker, reset: str, expected: list[int]
) -> None:
    assert lags(reader(reset).read()) == expected


def test_a_partition_that_was_added_is_read_from_its_begin(broker: Broker) -> None:
    broker.committed_now = {("numbers", 0): CommittedPosition(10)}
    assert lags(reader("latest").read()) == [0, 10]


def test_a_commit_of_an_earlier_topic_of_this_name_is_no_position(broker: Broker) -> None:
    broker.committed_now = {("numbers", 0): CommittedPosition(8, OLD_ID)}
    report = reader().read()
    assert first(report).is_other_topic
    assert first(report).committed is None
    assert lags(report) == [10, 10]


def test_removed_records_are_no_lag_and_are_reported(broker: Broker) -> None:
    broker.committed_now = {
        ("numbers", 0): CommittedPosition(4),
        ("numbers", 1): CommittedPosition(10),
    }
    broker.bounds_now["numbers", 0] = Bounds(7, 10)
    report = reader().read()
    assert lags(report) == [3, 0]
    assert first(report).removed == 3


def test_with_latest_removed_records_end_what_waits(broker: Broker) -> None:
    """As in a worker: the policy decides where reading goes on."""
    broker.committed_now = {
        ("numbers", 0): CommittedPosition(4),
        ("numbers", 1): CommittedPosition(10),
    }
    broker.bounds_now["numbers", 0] = Bounds(7, 10)
    report = reader("latest").read()
    assert lags(report) == [0, 0]
    assert first(report).removed == 6


def test_an_earlier_topic_s_commit_means_a_start_at_the_new_one_s_begin(broker: Broker) -> None:
    broker.committed_now = {("numbers", 0): CommittedPosition(8, OLD_ID)}
    assert lags(reader("latest").read()) == [10, 0]


def test_a_commit_beyond_the_end_is_no_position(broker: Broker) -> None:
    broker.committed_now = {
        ("numbers", 0): CommittedPosition(500),
        ("numbers", 1): CommittedPosition(10),
    }
    assert lags(reader().read()) == [10, 0]


def test_a_commit_within_an_open_transaction_is_a_position(broker: Broker) -> None:
    """A pipeline that read uncommitted records, and reads committed ones since its restart."""
    broker.committed_now = {
        ("numbers", 0): CommittedPosition(15),
        ("numbers", 1): CommittedPosition(10),
    }
    broker.real_ends = {("numbers", 0): 20}
    assert lags(reader().read()) == [0, 0]


def test_a_reading_that_still_holds_is_not_repeated(broker: Broker) -> None:
    broker.committed_now = {
        ("numbers", 0): CommittedPosition(4),
        ("numbers", 1): CommittedPosition(10),
    }
    made = reader()
    assert lags(made.read()) == lags(made.read()) == [6, 0]
    assert len(broker.readings) == 1
    broker.bounds_now["numbers", 0] = Bounds(0, 11)
    assert lags(made.read()) == [7, 0]
    assert len(broker.readings) == 2
    broker.bounds_now["numbers", 0] = Bounds(0, 5000)
    assert lags(made.read()) == [4996, 0]
    broker.bounds_now["numbers", 0] = Bounds(0, 6000)
    assert lags(made.read()) == [5996, 0]
    assert len(broker.readings) == 3, f"beyond {MAX_COUNTED_OFFSETS} offsets only the end moves"


def test_a_clock_set_back_gives_no_negative_age(broker: Broker) -> None:
    made = reader()
    made._wall_clock = lambda: NOW - 7200
    assert first(made.read()).lag_seconds == 0.0


def test_missing_topics_are_named(broker: Broker) -> None:
    broker.topics = {}
    report = reader().read()
    assert report.missing_topics == ["numbers"]
    assert report.partitions == []


def test_the_embedded_broker_tells_no_members(broker: Broker) -> None:
    broker.is_embedded = True
    assert reader().read().num_members is None


def test_an_unknown_agent_is_refused(broker: Broker) -> None:
    agents = {"count": AgentSettings(input="numbers", output="counts", model="m")}
    with pytest.raises(ValueError, match="no agent 'other': the pipeline file has count"):
        LagReader(PipelineSettings(kafka={}, agents=agents), ["other"])
