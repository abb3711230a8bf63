"""The sender process: records at their due times, and an honest report."""

from __future__ import annotations

import subprocess
import sys
import uuid

import msgspec

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.live_records import LiveRecords
from benchmarks.harness.sender import SendPlan, SendReport, Stream
from benchmarks.harness.topics import create_bench_topics, read_all


def send(bootstrap: str, rate: float, seconds: float) -> tuple[SendPlan, SendReport]:
    topic = f"bench-sender-{uuid.uuid4().hex[:8]}"
    create_bench_topics(bootstrap, [topic], 4)
    plan = SendPlan(bootstrap, [Stream(topic, 4, "readings", 8, rate)], "poisson", 0.0, seconds, 0)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.harness.sender", msgspec.json.encode(plan)],
        input=b"\n", capture_output=True, cwd=BENCHMARKS.parent, check=True,
    )  # fmt: skip
    primed, measuring, report = done.stdout.splitlines()
    assert (primed, measuring) == (b'"primed"', b'"measuring"')
    return plan, msgspec.json.decode(report, type=SendReport)


def test_every_record_is_sent_once_at_its_place(embedded_bootstrap: str) -> None:
    plan, report = send(embedded_bootstrap, rate=200, seconds=2)
    records = LiveRecords(plan, 0, report)
    sent = {
        (message.offset() or 0) * 4 + (message.partition() or 0): (message.key(), message.value())
        for message in read_all(embedded_bootstrap, plan.streams[0].topic, 4)
    }
    expected = [(record.key, record.value) for record in records.records()]
    assert [sent[index] for index in sorted(sent)] == expected
    assert 0 <= report.late_p50_ms <= report.late_p99_ms <= report.late_max_ms
    assert 1.0 <= report.records_per_request < 5.0


def test_a_sender_that_can_not_keep_its_rate_reports_how_late_it_was(
    embedded_bootstrap: str,
) -> None:
    _, report = send(embedded_bootstrap, rate=2_000_000, seconds=0.1)
    assert report.late_max_ms > 50  # 200,000 records in a tenth of a second
    assert report.records_per_request > 10
