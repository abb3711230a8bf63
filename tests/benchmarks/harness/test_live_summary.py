"""Medians over the rounds of `bench live`, what counts as sustained, and the table's remarks."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from benchmarks.harness.live_run import LiveResult
from benchmarks.harness.live_summary import live_table, summarize_live, sustained
from benchmarks.harness.sender import SendReport

REPORT = SendReport(1_000, 5_000, 0.1, 0.2, 0.3, records_per_request=1.0)
RESULT = LiveResult(
    contender="penstock", version="1", model="mean", partitions=16, linger_ms=0, rate=300, round=1,
    offered_per_second=300.0, sender=REPORT, append_late_p99_ms=2.0, records=6_000, answered=6_000,
    kept_up=True, fault="", p50_ms=5.0, p99_ms=20.0, max_ms=30.0, cpu_us_per_record=100.0,
    is_log_append_time=True,
)  # fmt: skip


def result(**fields: Any) -> LiveResult:
    return msgspec.structs.replace(RESULT, **fields)


def test_medians_over_the_rounds_and_the_highest_maximum() -> None:
    rounds = [result(round=n, p99_ms=p99, max_ms=10 * p99) for n, p99 in enumerate([20, 90, 40])]
    (summary,) = summarize_live(rounds)
    assert (summary.rounds, summary.p99_ms, summary.max_ms) == (3, 40, 900)
    assert summary.records == 18_000


@pytest.mark.parametrize(
    "fields", [{"kept_up": False}, {"fault": "wrong"}, {"offered_per_second": 280.0}]
)
def test_what_is_not_sustained(fields: dict[str, Any]) -> None:
    assert result().is_sustained
    assert not result(**fields).is_sustained


def test_sustained_rates_are_of_each_contender_partitions_and_linger() -> None:
    results = [
        result(rate=300), result(rate=1_000, offered_per_second=1_000.0),
        result(rate=3_000, offered_per_second=3_000.0, p99_ms=100.0),
        result(partitions=64, p99_ms=500.0), result(contender="other", kept_up=False),
    ]  # fmt: skip
    assert sustained(summarize_live(results)) == [
        "penstock, 16 partitions, linger 0 ms: sustains 1,000/s with p99 under 100 ms",
        "other, 16 partitions, linger 0 ms: sustains none of the rates with p99 under 100 ms",
        "penstock, 64 partitions, linger 0 ms: sustains none of the rates with p99 under 100 ms",
    ]


def test_one_bad_round_of_three_does_not_end_a_rate() -> None:
    rounds = [result(round=1), result(round=2, kept_up=False, answered=10), result(round=3)]
    (summary,) = summarize_live(rounds)
    assert summary.is_sustained


@pytest.mark.parametrize(
    ("fields", "remark"),
    [
        ({}, ""),
        ({"kept_up": False, "answered": 1_234}, "fell behind: 1,234 of 6,000 answered"),
        ({"offered_per_second": 100.0}, "the load was not offered"),
        ({"append_late_p99_ms": 200.0}, "the load came late: the machine is busy"),
        ({"fault": "its score is 1"}, "wrong: its score is 1"),
    ],
)
def test_remarks_of_the_table(fields: dict[str, Any], remark: str) -> None:
    columns, rows = live_table(summarize_live([result(**fields)]), {"faust": "uv is absent"})
    assert [len(row) for row in rows] == [len(columns)] * 2
    assert rows[0][-1] == remark
    assert rows[1][:2] == ["faust", "not available: uv is absent"]
