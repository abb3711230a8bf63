"""A worker on both brokers: answers, dead letters, commits, restarts."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from streams.kafka.admin import create_topics
from streams.settings import TopicSettings
from tests.integration.outcomes import assert_answered_once
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_for_count


def expected_answers(pipeline: Pipeline) -> dict[tuple[int, int], list[float]]:
    """The answers that the output must hold: twice x, once for every valid input record."""
    answers = {}
    for message in pipeline.read(pipeline.input):
        try:
            x = json.loads(message.value() or b"")["x"]
        except ValueError:
            continue
        if x != 13:
            answers[message.partition() or 0, message.offset() or 0] = [2 * x]
    return answers


@pytest.mark.end_to_end
def test_each_record_gets_an_answer_or_a_dead_letter(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    values: list[bytes | None] = [number(i) for i in range(2000)]
    values[100], values[200], values[300], values[400] = b"{bad", b"", number(13), None
    count = pipeline.produce(values)
    with pipeline.worker() as worker:
        pipeline.await_finished(count - 1)  # a tombstone has no output
        worker.stop()
    assert pipeline.answered() == expected_answers(pipeline)
    reasons = [reason for reasons in pipeline.refused().values() for reason in reasons]
    assert sorted(reasons) == ["decode_error", "empty_value", "model_error", "model_error"]
    ends = defaultdict(int)
    for message in pipeline.read(pipeline.input):
        ends[message.partition()] = (message.offset() or 0) + 1
    assert pipeline.committed() == dict(ends)


def test_order_per_key_and_accounts(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap, batch_seconds=0.002)
    count = pipeline.produce(number(100 + i) for i in range(3000))
    with pipeline.worker() as worker:
        pipeline.await_finished(count)
        accounts = worker.accounts()
        worker.stop()
    assert accounts["in"] == count
    assert accounts["answered"] == count
    assert accounts["in_flight"] == 0
    by_key = defaultdict(list)
    for message in pipeline.read(pipeline.output):
        by_key[message.key()].append(json.loads(message.value() or b"")["y"])
    assert len(by_key) == 20
    for key, answers in by_key.items():
        assert answers == sorted(answers), f"key {key!r}"


def test_a_second_worker_resumes_where_the_first_stopped(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    first = pipeline.produce(number(100 + i) for i in range(500))
    with pipeline.worker() as worker:
        pipeline.await_finished(first)
        worker.stop()
    second = pipeline.produce(number(100 + i) for i in range(500))
    with pipeline.worker() as worker:
        pipeline.await_finished(first + second)
        assert worker.accounts()["in"] == second
        worker.stop()
    assert_answered_once(pipeline)


@pytest.mark.kafka
def test_results_are_compressed_as_configured(tmp_path: Path, kafka_bootstrap: str) -> None:
    """Shown by a topic that takes a batch of results only if it is compressed."""
    pipeline = Pipeline(tmp_path, kafka_bootstrap, partitions=1)
    wanted = TopicSettings(partitions=1, config={"max.message.bytes": "8000"})
    small = f"{pipeline.name}.small"
    create_topics(pipeline.kafka, {small: wanted})
    count = pipeline.produce(number(100 + i) for i in range(200))
    environment = {
        "PENSTOCK_KAFKA__COMPRESSION_TYPE": "lz4",
        "PENSTOCK_AGENTS__DOUBLE__OUTPUT": small,
    }
    with pipeline.worker(**environment) as worker:
        wait_for_count(f"records on {small}", lambda: len(pipeline.read(small)), count)
        worker.stop()
        assert "too large" not in worker.log_text()
