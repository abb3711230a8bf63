"""The audit's verdict after the broker's side has changed: never "proven" where it can't know."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from agents.commands.audit import AgentReport, AuditOptions, Problem, Verdict, audit_pipeline
from agents.pipeline.file import load_pipeline
from schemas import Origin, Settlement
from streams.kafka.admin import topic_ids
from tests.agents.commands.hand_made import AGENT, HandMade
from tests.integration.pipelines import Pipeline, number
from tests.integration.topic_changes import (
    commit,
    delete_records,
    make_again,
    send_transactions,
    set_config,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka


@pytest.fixture
def pipeline(kafka_bootstrap: str) -> HandMade:
    return HandMade(kafka_bootstrap)


def answer(pipeline: HandMade, offsets: range, topic_id: str = "") -> None:
    """Write a result for each offset, with the topic id in its `ce_id` if there is one."""
    for at in offsets:
        plain = f"{pipeline.input}:0:{at}:{AGENT}:penstock.result.v1:0"
        pipeline.result(at, result_id=f"{plain}:{topic_id}" if topic_id else plain, key=b"k")
    pipeline.flush()


def fill(pipeline: HandMade, count: int) -> None:
    for _ in range(count):
        pipeline.send(pipeline.input, b"{}", b"k")
    pipeline.flush()


def ranges(report: AgentReport) -> list[tuple[int, int, bool]]:
    return [(r.first, r.last, r.is_lost) for r in report.removed_ranges]


def test_records_removed_before_they_were_read(pipeline: HandMade) -> None:
    fill(pipeline, 100)
    answer(pipeline, range(20))
    delete_records(pipeline.servers, pipeline.input, 80)
    answer(pipeline, range(80, 100))
    pipeline.commit(100)
    found = pipeline.audit(is_drained=True)
    assert found.problems == {Problem.REMOVED: 60}, found
    assert ranges(found) == [(20, 79, True)]
    assert (found.partitions[0].log_start, found.partitions[0].first_answered) == (80, 0)
    # Stopped, not committed, and removed while nobody read.
    fill(pipeline, 50)
    delete_records(pipeline.servers, pipeline.input, 130)
    found = pipeline.audit()
    assert ranges(found) == [(20, 79, True), (100, 129, True)]  # no worker has them in work
    found = pipeline.audit(is_drained=True)
    assert ranges(found) == [(20, 79, True), (100, 129, True)]
    assert found.problems == {Problem.REMOVED: 90, Problem.UNFINISHED: 20}


def test_records_removed_before_the_first_answer_of_all(pipeline: HandMade) -> None:
    fill(pipeline, 100)
    delete_records(pipeline.servers, pipeline.input, 60)
    answer(pipeline, range(60, 100))
    pipeline.commit(100)
    # Perhaps the group began before they went, perhaps the topic is older than the group.
    found = pipeline.audit(is_drained=True)
    assert (found.verdict, found.answered) == (Verdict.NOT_PROVABLE, 40), found
    assert ranges(found) == [(0, 59, False)]
    assert "gone before the group's first answer" in found.doubts[0]
    assert pipeline.audit(is_drained=True, since_ms=1).is_proven


def test_output_that_expires_earlier_than_its_records(pipeline: HandMade) -> None:
    hour_ago = time.time_ns() // 1_000_000 - 3_600_000
    for _ in range(100):
        pipeline.send(pipeline.input, b"{}", b"k", timestamp_ms=hour_ago)
    answer(pipeline, range(100))
    pipeline.commit(100)
    delete_records(pipeline.servers, pipeline.agent.output, 40)
    assert pipeline.audit(is_drained=True).removed_output == 40
    # The output may expire after a minute, its records not before a week.
    set_config(pipeline.servers, pipeline.agent.output, "retention.ms", "60000")
    found = pipeline.audit(is_drained=True)
    assert (found.verdict, found.removed_output) == (Verdict.NOT_PROVABLE, 40)
    # Both may: the rest of the input is only still there because its segment is.
    set_config(pipeline.servers, pipeline.input, "retention.ms", "120000")
    found = pipeline.audit(is_drained=True)
    assert (found.verdict, found.expired, found.answered) == (Verdict.PROVEN, 40, 60), found


def test_records_removed_after_they_were_answered_are_no_alarm(pipeline: HandMade) -> None:
    fill(pipeline, 100)
    answer(pipeline, range(100))
    pipeline.commit(100)
    delete_records(pipeline.servers, pipeline.input, 80)
    found = pipeline.audit(is_drained=True)
    assert found.is_proven, found
    assert any("80 were answered" in note for note in found.notes)
    # Their results go too; nothing is left that could be wrong with them.
    delete_records(pipeline.servers, pipeline.agent.output, 60)
    assert pipeline.audit(is_drained=True).is_proven
    delete_records(pipeline.servers, pipeline.agent.output, 90)
    found = pipeline.audit(is_drained=True)
    assert (found.verdict, found.removed_output) == (Verdict.NOT_PROVABLE, 10)
    delete_records(pipeline.servers, pipeline.input, 100)
    found = pipeline.audit(is_drained=True)
    assert (found.verdict, found.problems) == (Verdict.NOT_PROVABLE, {})
    assert any("holds no record any more" in doubt for doubt in found.doubts)


def test_deleted_dead_letters_are_no_alarm_when_their_records_go_too(pipeline: HandMade) -> None:
    fill(pipeline, 100)
    answer(pipeline, range(10))
    pipeline.letter(10, key=b"k")
    answer(pipeline, range(11, 100))
    pipeline.commit(100)
    # As `penstock dlq drop --delete` does.
    settled = Settlement(
        letter=Origin(pipeline.dead_letters, 0, 0), action="deleted",
        settled_at_ms=time.time_ns() // 1_000_000, below={0: 11},
    )  # fmt: skip
    key, value, headers = settled.to_record()
    pipeline.send(pipeline.dead_letters, value, key, headers)
    pipeline.flush()
    delete_records(pipeline.servers, pipeline.dead_letters, 1)
    found = pipeline.audit(is_drained=True)
    assert (found.is_proven, found.expired) == (True, 1), found
    fill(pipeline, 10)
    answer(pipeline, range(100, 110))
    pipeline.commit(110)
    delete_records(pipeline.servers, pipeline.input, 105)
    found = pipeline.audit(is_drained=True)
    assert (found.is_proven, found.answered) == (True, 5), found


def test_an_aborted_transaction_is_no_loss(kafka_bootstrap: str) -> None:
    pipeline = HandMade(kafka_bootstrap)
    pipeline.kafka["isolation.level"] = "read_committed"
    # Offsets 0-9, marker 10, aborted 11-40 with marker 41, 42-51, marker 52.
    send_transactions(kafka_bootstrap, pipeline.input, [(10, False), (30, True), (10, False)])
    answer(pipeline, range(10))
    answer(pipeline, range(42, 52))
    pipeline.commit(53)
    found = pipeline.audit(is_drained=True)
    assert (found.is_proven, found.records) == (True, 20), found
    # Removed up to 45: the aborted records can't be told from lost ones any more.
    delete_records(kafka_bootstrap, pipeline.input, 45)
    found = pipeline.audit(is_drained=True)
    assert found.verdict == Verdict.NOT_PROVABLE, found
    assert ranges(found) == [(10, 41, False)]
    # The output before the gap goes too: the gap is as old as what nothing is known of.
    delete_records(kafka_bootstrap, pipeline.agent.output, 10)
    assert pipeline.audit(is_drained=True).is_proven


def test_an_input_that_was_made_again(pipeline: HandMade) -> None:
    servers, topic = pipeline.servers, pipeline.input
    old = topic_ids(pipeline.kafka, [topic])[topic]
    fill(pipeline, 50)
    answer(pipeline, range(49), old)
    pipeline.letter(49, topic_id=old)
    commit(servers, pipeline.name, topic, 50, old)
    assert pipeline.audit(is_drained=True).is_proven
    new = make_again(servers, topic, 4)
    fill(pipeline, 60)
    assert pipeline.audit().verdict == Verdict.NOT_PROVABLE
    # As a worker that does not know of the new topic yet, or a broker that keeps old offsets.
    commit(servers, pipeline.name, topic, 50, old)
    # Nobody has read the new topic; neither the old results nor the old offset say otherwise.
    found = pipeline.audit()
    assert found.verdict == Verdict.NOT_PROVABLE, found
    assert (found.answered, found.in_flight, found.earlier_topic) == (0, 60, 50)
    assert f"id {old}, now {new}" in found.doubts[0]
    assert pipeline.audit(is_drained=True).problems == {Problem.UNFINISHED: 60}
    # The new topic is read and answered.
    answer(pipeline, range(60), new)
    commit(servers, pipeline.name, topic, 60, new)
    found = pipeline.audit(is_drained=True, repeats_allowed=False)
    assert found.is_proven, found
    assert (found.answered, found.earlier_topic, found.topic_id) == (60, 50, new)


def test_old_answers_without_topic_ids_are_told_by_their_time(pipeline: HandMade) -> None:
    fill(pipeline, 50)
    answer(pipeline, range(50))
    pipeline.commit(50)
    make_again(pipeline.servers, pipeline.input, 4)
    time.sleep(1.5)  # clocks may differ by a second
    fill(pipeline, 60)
    pipeline.commit(50)
    found = pipeline.audit()
    assert (found.verdict, found.older) == (Verdict.NOT_PROVABLE, 50), found
    assert "older than every record" in found.doubts[0]


def test_an_offset_beyond_the_end_says_nothing(pipeline: HandMade) -> None:
    fill(pipeline, 50)
    answer(pipeline, range(20))
    pipeline.commit(5_000)
    found = pipeline.audit()
    assert (found.verdict, found.in_flight) == (Verdict.NOT_PROVABLE, 30), found
    assert "beyond the end" in found.doubts[0]
    assert pipeline.audit(is_drained=True).problems == {Problem.UNFINISHED: 30}


def test_an_output_that_was_made_again(pipeline: HandMade) -> None:
    fill(pipeline, 50)
    answer(pipeline, range(50))
    pipeline.commit(50)
    make_again(pipeline.servers, pipeline.agent.output, 4)
    found = pipeline.audit(is_drained=True)
    assert found.problems == {Problem.MISSING: 50}
    fill(pipeline, 10)
    answer(pipeline, range(50, 60))
    pipeline.commit(60)
    found = pipeline.audit(is_drained=True)
    assert found.problems == {Problem.MISSING: 50}
    assert any("made again" in note for note in found.notes), found.notes


class SmallPipeline(Pipeline):
    """Its worker reads few records ahead."""

    def settings(self) -> dict[str, Any]:
        document = super().settings()
        document["agents"]["double"]["intake"] = {"max_records": 500}
        return document


class LatestPipeline(Pipeline):
    def settings(self) -> dict[str, Any]:
        document = super().settings()
        document["kafka"]["auto.offset.reset"] = "latest"
        return document


class OtherPipeline(Pipeline):
    """Has the same name, group, input and agent as another one, and its own output."""

    @property
    def output(self) -> str:
        return f"{self.name}.others"


def audit(pipeline: Pipeline, **options: bool) -> AgentReport:
    settings = load_pipeline(pipeline.config, os.environ)
    return audit_pipeline(settings, AuditOptions(**options)).agent("double")  # type: ignore[arg-type]


def test_records_removed_while_the_workers_were_stopped(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    pipeline = SmallPipeline(tmp_path, kafka_bootstrap, partitions=1, batch_seconds=0.1)
    pipeline.produce(number(100 + i) for i in range(6_000))
    with pipeline.worker() as worker:
        pipeline.await_answered(200)
        worker.stop()
    num_before = len(pipeline.answered())
    delete_records(kafka_bootstrap, pipeline.input, 5_000)
    found = audit(pipeline)
    assert ranges(found) == [(num_before, 4_999, True)]
    with pipeline.worker() as worker:
        pipeline.await_answered(num_before + 1_000, 60)
        wait_until("all is committed", lambda: pipeline.committed()[0] == 6_000)
        worker.stop()
    found = audit(pipeline, is_drained=True)
    assert found.problems == {Problem.REMOVED: 5_000 - num_before}, found
    assert ranges(found) == [(num_before, 4_999, True)]


def test_latest_leaves_out_what_was_there_before(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = LatestPipeline(tmp_path, kafka_bootstrap)
    pipeline.produce(number(100 + i) for i in range(400))
    found = audit(pipeline, is_drained=True)
    assert found.verdict == Verdict.NOT_PROVABLE
    with pipeline.worker() as worker:
        worker.await_ready()
        pipeline.produce(number(100 + i) for i in range(400))
        pipeline.await_finished(400)
        wait_until("all is committed", lambda: audit(pipeline).in_flight == 0)
        worker.stop()
    found = audit(pipeline, is_drained=True)
    assert found.is_proven, found
    assert (found.answered, found.before_first) == (400, 400)
    assert all(at.first_answered > 0 for at in found.partitions)


def test_two_pipelines_with_one_group(tmp_path: Path, kafka_bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, kafka_bootstrap)
    (tmp_path / "other").mkdir()
    other = OtherPipeline(tmp_path / "other", kafka_bootstrap, name=pipeline.name)
    with pipeline.worker() as one, other.worker() as two:
        one.await_ready()
        two.await_ready()
        count = pipeline.produce(number(100 + i) for i in range(800))
        wait_until(
            "all is answered", lambda: len({*pipeline.answered(), *other.answered()}) == count, 60
        )
        one.stop()
        two.stop()
    mine = audit(pipeline)
    assert mine.problems == {Problem.MISSING: len(other.answered())}
    assert any(other.output in note for note in mine.notes), mine.notes
