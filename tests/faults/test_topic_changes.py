"""The topics of a pipeline change under its worker: nothing is passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.commands.audit import Verdict
from tests.faults.changing_topics import ChangingTopics, await_true
from tests.faults.conftest import Report

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
BOTH = pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
#: Slow enough that records are in work at any moment: 20,000 a minute.
SLOW = 0.1
#: A worker that is frozen for longer than its session has lost its partitions.
BEYOND_SESSION_SECONDS = 8.0


@BOTH
def test_records_are_removed_while_the_worker_is_frozen(
    tmp_path: Path, kafka_bootstrap: str, report: Report, guarantee: str
) -> None:
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path, guarantee, batch_seconds=SLOW)
    pipeline.send(range(8_000))
    with pipeline.worker() as worker:
        pipeline.await_committed(100)
        worker.pause()
        pipeline.remove_below(6_000)
        worker.resume()
        pipeline.await_committed(8_000)
        num_said = worker.num_lost()
        (line,) = worker.warnings("were removed before they were read")
    assert f"{pipeline.input}:0: offsets " in line
    assert "to 5999" in line
    fault = "records are removed before they are read, worker frozen"
    report(pipeline.row(fault, num_said, Verdict.WRONG))


def test_records_are_removed_while_no_worker_runs(
    tmp_path: Path, kafka_bootstrap: str, report: Report
) -> None:
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path)
    pipeline.send(range(1_000))
    with pipeline.worker():
        pipeline.await_committed(1_000)
    pipeline.send(range(1_000, 3_000))
    pipeline.remove_below(2_500)
    with pipeline.worker() as worker:
        pipeline.await_committed(3_000)
        num_said = worker.num_lost()
        (line,) = worker.warnings("were removed before they were read")
    assert "offsets 1000 to 2499 (1,500 records at most)" in line
    assert num_said == 1_500
    fault = "records are removed before they are read, no worker runs"
    report(pipeline.row(fault, num_said, Verdict.WRONG))


@pytest.mark.parametrize("is_removed", [True, False])
def test_with_auto_offset_reset_none_the_worker_ends(
    tmp_path: Path, kafka_bootstrap: str, is_removed: bool
) -> None:
    kafka = {"auto.offset.reset": "none"}
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path, kafka=kafka)
    pipeline.send(range(100))
    if is_removed:
        pipeline.commit(10)
        pipeline.remove_below(50)
    with pipeline.worker() as worker:
        assert await_true(lambda: worker.exit_code is not None, 60), worker.output()
        assert worker.exit_code == 1
        assert "and auto.offset.reset is none: set the group's offset" in worker.output()
        assert "Traceback" not in worker.output()
    assert pipeline.results().total() == 0


def test_the_committed_offset_is_beyond_the_end(
    tmp_path: Path, kafka_bootstrap: str, report: Report
) -> None:
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path)
    pipeline.send(range(1_000))
    pipeline.commit(5_000)
    with pipeline.worker() as worker:
        assert await_true(lambda: pipeline.committed() == 1_000, 60)
        (line,) = worker.warnings("offset 5000 was to be read next")
        assert worker.metric("penstock_records_lost_total") == 4_000
    assert "ends at offset 1000" in line
    assert "goes on at offset 0" in line
    report(pipeline.row("the committed offset is beyond the end", 0, Verdict.PROVEN))


@BOTH
@pytest.mark.parametrize(("num_new", "partitions"), [(300, 1), (6_000, 1), (900, 3)])
def test_the_input_is_made_again_with_records_in_work(
    tmp_path: Path, kafka_bootstrap: str, report: Report, guarantee: str, num_new: int,
    partitions: int,
) -> None:  # fmt: skip
    """The new topic ends below the old position, or above it, or has more partitions."""
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path, guarantee, batch_seconds=SLOW)
    pipeline.send(range(4_000))
    with pipeline.worker() as worker:
        pipeline.await_committed(1_000)
        pipeline.make_again(pipeline.input, partitions)
        new = range(10_000, 10_000 + num_new)
        pipeline.send(new)
        assert await_true(lambda: bool(worker.warnings("was deleted and made again")), 10)
        assert await_true(lambda: pipeline.committed() == num_new, 120), worker.output()
        num_said = worker.num_lost()
        assert len(worker.warnings("was deleted and made again")) == 1
    assert pipeline.results().keys() >= set(new)
    fault = f"the input is made again, {num_new:,} new records, {partitions} partition(s)"
    report(pipeline.row(fault, num_said, Verdict.PROVEN))


def test_what_another_worker_has_answered_is_not_said_to_be_lost(
    tmp_path: Path, kafka_bootstrap: str, report: Report
) -> None:
    """A worker gave up a partition with unread records; the topic is made again much later."""
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path, batch_seconds=SLOW)
    pipeline.make_again(pipeline.input, 2)
    pipeline.send(range(4_000))
    with pipeline.worker() as first:
        pipeline.await_committed(500)
        with pipeline.worker() as second:
            pipeline.await_committed(4_000, 120)
            pipeline.make_again(pipeline.input, 4)
            pipeline.send(range(10_000, 10_100))
            pipeline.await_committed(100)
            said = [first.num_lost(), second.num_lost()]
            added = first.warnings("partitions now") + second.warnings("partitions now")
    assert (said, added) == ([0, 0], [])
    report(pipeline.row("the input is made again after a rebalance", 0, Verdict.PROVEN))


@BOTH
@pytest.mark.parametrize("is_idle", [True, False])
def test_the_input_is_made_again_while_the_worker_is_frozen(
    tmp_path: Path, kafka_bootstrap: str, report: Report, guarantee: str, is_idle: bool
) -> None:
    pipeline = ChangingTopics(
        kafka_bootstrap, tmp_path, guarantee, batch_seconds=0.0 if is_idle else SLOW
    )
    pipeline.send(range(3_000))
    with pipeline.worker() as worker:
        pipeline.await_committed(3_000 if is_idle else 500)
        worker.pause()
        pipeline.make_again(pipeline.input)
        pipeline.send(range(10_000, 14_000))
        worker.resume()
        assert await_true(lambda: pipeline.committed() == 4_000, 120), worker.output()
        num_said = worker.num_lost()
        assert len(worker.warnings("was deleted and made again")) == 1
    assert pipeline.results().keys() >= set(range(10_000, 14_000))
    fault = f"the input is made again, worker frozen, {'idle' if is_idle else 'records in work'}"
    report(pipeline.row(fault, num_said, Verdict.PROVEN))


def test_the_input_is_made_again_while_no_worker_runs(
    tmp_path: Path, kafka_bootstrap: str, report: Report
) -> None:
    """Another program may commit for the deleted topic a moment later, as any client can."""
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path)
    pipeline.send(range(1_000))
    with pipeline.worker():
        pipeline.await_committed(1_000)
    metadata = pipeline.commit_metadata()
    pipeline.make_again(pipeline.input)
    pipeline.send(range(10_000, 12_000))
    pipeline.commit(1_000, metadata)
    with pipeline.worker() as worker:
        assert await_true(lambda: pipeline.committed() == 2_000, 60), worker.output()
        assert worker.warnings("belong to an earlier topic of this name")
    report(pipeline.row("the input is made again, no worker runs", 0, Verdict.PROVEN))


@BOTH
def test_the_input_is_absent_for_a_while(
    tmp_path: Path, kafka_bootstrap: str, report: Report, guarantee: str
) -> None:
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path, guarantee)
    pipeline.send(range(1_000))
    with pipeline.worker() as worker:
        pipeline.await_committed(1_000)
        pipeline.delete(pipeline.input)
        assert await_true(lambda: worker.metric("penstock_topic_missing") == 1, 20)
        assert not worker.is_ready()
        assert worker.warnings(f"input topic {pipeline.input} does not exist")
        pipeline.create(pipeline.input)
        pipeline.send(range(10_000, 10_500))
        assert await_true(lambda: pipeline.committed() == 500, 60), worker.output()
        assert await_true(lambda: worker.metric("penstock_topic_missing") == 0, 10)
        assert await_true(worker.is_ready, 10)
        num_said = worker.num_lost()
    report(pipeline.row("the input is deleted, and made again later", num_said, Verdict.PROVEN))


@BOTH
def test_the_output_is_absent_for_a_while(
    tmp_path: Path, kafka_bootstrap: str, report: Report, guarantee: str
) -> None:
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path, guarantee)
    with pipeline.worker() as worker:
        pipeline.delete(pipeline.output)
        pipeline.send(range(1_000))
        assert await_true(lambda: worker.metric("penstock_topic_missing") == 1, 20)
        assert worker.warnings(f"output topic {pipeline.output} does not exist")
        pipeline.create(pipeline.output)
        pipeline.await_committed(1_000)
        pipeline.make_again(pipeline.output)
        pipeline.sent.clear()  # their results are gone with the topic
        pipeline.send(range(1_000, 2_000))
        pipeline.await_committed(2_000)
        assert worker.warnings("output topic")
    missing = set(range(1_000, 2_000)) - pipeline.results().keys()
    assert not missing
    fault = "the output is deleted, and made again later"
    report(pipeline.row(fault, 0, pipeline.audit().verdict))


def test_results_of_a_topic_made_again_have_other_ids(tmp_path: Path, kafka_bootstrap: str) -> None:
    """A consumer that drops repeats by `ce_id` must not drop them."""
    pipeline = ChangingTopics(kafka_bootstrap, tmp_path)
    pipeline.send(range(100))
    with pipeline.worker() as worker:
        pipeline.await_committed(100)
        pipeline.make_again(pipeline.input)
        assert await_true(lambda: bool(worker.warnings("was deleted and made again")), 10)
        pipeline.send(range(1_000, 1_100))
        assert await_true(lambda: pipeline.results().total() == 200, 60)
    ids = pipeline.result_ids()
    assert len(set(ids)) == len(ids) == 200
