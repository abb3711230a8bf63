"""Output for an earlier topic of the input's name is no answer for the present one."""

from __future__ import annotations

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Message

from agents.commands.audit import AgentReport
from agents.commands.audit.incarnation import Incarnation
from agents.commands.audit.ledger import Ledger
from schemas import Origin

OLD, NEW = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"
FIRST_MS = 1_000_000
"""The time of the first record of the present topic."""


@pytest.mark.parametrize(
    ("present", "named", "expected"),
    [(NEW, OLD, True), (NEW, NEW, False), (NEW, "", False), ("", OLD, False), ("", "", False)],
)
def test_topic_ids_decide(present: str, named: str, expected: bool) -> None:
    report = AgentReport("a", "in", "out", "in.dlq", topic_id=present)
    assert Incarnation(report).is_earlier(named) is expected
    assert report.earlier_topic == expected


def ledger_of(report: AgentReport, *, is_broker_time: bool) -> Ledger:
    ledger = Ledger(report, 0, is_compacted=False)
    ledger.add(range(10, 20), [0] * 10, [0] * 10)
    ledger.oldest, ledger.end = 10, 20
    ledger.oldest_ms, ledger.is_broker_time = FIRST_MS, is_broker_time
    ledger.seal()
    return ledger


@pytest.mark.parametrize(
    ("kind", "is_broker_time", "time_ms", "earlier", "older"),
    [
        # Brokers set both times: certain.
        (TIMESTAMP_LOG_APPEND_TIME, True, FIRST_MS - 1, 1, 0),
        (TIMESTAMP_LOG_APPEND_TIME, True, FIRST_MS, 0, 0),
        # A producer set one: its clock may be wrong by a second, and even then it is a doubt.
        (TIMESTAMP_CREATE_TIME, True, FIRST_MS - 5_000, 0, 1),
        (TIMESTAMP_LOG_APPEND_TIME, False, FIRST_MS - 5_000, 0, 1),
        (TIMESTAMP_CREATE_TIME, False, FIRST_MS - 500, 0, 0),
        (TIMESTAMP_CREATE_TIME, False, -1, 0, 0),
    ],
)
def test_without_ids_the_time_tells(
    kind: int, is_broker_time: bool, time_ms: int, earlier: int, older: int
) -> None:
    report = AgentReport("a", "in", "out", "in.dlq")
    ledger = ledger_of(report, is_broker_time=is_broker_time)
    message = Message(topic="out", partition=0, offset=0, timestamp=(kind, time_ms))
    found = Incarnation(report).is_earlier_by_time(message, "", ledger, Origin("in", 0, 12))
    assert found is bool(earlier)
    assert (report.earlier_topic, report.older, report.without_topic_id) == (earlier, older, 1)


def test_the_time_says_nothing_of_answers_to_removed_records_or_with_an_id() -> None:
    report = AgentReport("a", "in", "out", "in.dlq", topic_id=NEW)
    ledger = ledger_of(report, is_broker_time=True)
    message = Message(topic="out", partition=0, offset=0, timestamp=(TIMESTAMP_LOG_APPEND_TIME, 1))
    incarnation = Incarnation(report)
    assert not incarnation.is_earlier_by_time(message, "", ledger, Origin("in", 0, 9))
    assert not incarnation.is_earlier_by_time(message, NEW, ledger, Origin("in", 0, 12))
    assert (report.earlier_topic, report.older) == (0, 0)
