"""Topics that are deleted under a running worker, on a broker that creates topics by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient

from agents.commands.broker import kafka_broker
from streams.kafka.admin import create_topics, probe
from streams.settings import TopicSettings
from tests.brokers import need_kafka
from tests.integration.exactly_once import ExactlyOncePipeline
from tests.integration.pipelines import Pipeline, number
from tests.integration.workers import RunningWorker
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka

#: Twice the time that a worker needs to notice; a topic that is named would be back by then.
_STAYS_AWAY_SECONDS = 8.0


@pytest.fixture(scope="module")
def creating_broker() -> Iterator[str]:
    """The address of an Apache Kafka that creates each topic that a client names: its default."""
    need_kafka()
    properties = {"auto.create.topics.enable": "true", "num.partitions": "1"}
    with kafka_broker(properties=properties) as broker:
        yield broker.bootstrap_servers


def make(folder: Path, broker: str, kind: type[Pipeline] = Pipeline) -> Pipeline:
    """Make a pipeline whose clients ask for their topics' metadata often."""
    pipeline = kind(folder, broker)
    settings: dict[str, Any] = pipeline.settings()
    settings["kafka"]["metadata.max.age.ms"] = 1000
    pipeline.config.write_text(yaml.safe_dump(settings))
    return pipeline


def delete(pipeline: Pipeline, topic: str) -> None:
    admin = AdminClient(pipeline.kafka)
    admin.delete_topics([topic])[topic].result(20)
    wait_until("the topic is deleted", lambda: topic not in probe(pipeline.kafka).topics)


def names(worker: RunningWorker, topic: str) -> bool:
    """Whether `/ready` says that the topic is missing."""
    status, answer = worker.probe("/ready")
    return status == 503 and any(f"topic {topic} " in why for why in answer["reasons"])


def good_and_bad(start: int, count: int) -> Iterator[bytes]:
    """Values of which every tenth can't be read: its record becomes a dead letter."""
    return (b"{" if i % 10 == 0 else number(100 + i) for i in range(start, start + count))


@pytest.mark.parametrize("kind", [Pipeline, ExactlyOncePipeline])
@pytest.mark.parametrize("role", ["output", "dead_letters"])
def test_an_output_that_is_deleted_stays_away_and_is_waited_for(
    tmp_path: Path, creating_broker: str, kind: type[Pipeline], role: str
) -> None:
    pipeline = make(tmp_path, creating_broker, kind)
    topic = getattr(pipeline, role)
    with pipeline.worker() as worker:
        worker.await_ready()
        first = pipeline.produce(good_and_bad(0, 200))
        worker.await_finished(first)
        delete(pipeline, topic)
        second = pipeline.produce(good_and_bad(200, 200))
        wait_until("/ready names the topic", lambda: names(worker, topic), timeout=20)
        time.sleep(_STAYS_AWAY_SECONDS)
        assert topic not in probe(pipeline.kafka).topics, "a client created the topic"
        assert worker.probe("/live")[0] == 200
        assert worker.metrics()["penstock_topic_missing", frozenset({("topic", topic)})] == 1
        create_topics(pipeline.kafka, {topic: TopicSettings(partitions=4)})
        worker.await_ready()
        worker.await_finished(first + second)
        worker.stop()
    log = worker.log_text()
    assert log.count(f"output topic {topic} does not exist (") == 1
    assert log.count(f"topic {topic} exists again") == 1
    assert "Traceback" not in log
    bad = sum(value == b"{" for value in good_and_bad(200, 200))
    found = pipeline.refused() if role == "dead_letters" else pipeline.answered()
    assert len(found) == (bad if role == "dead_letters" else second - bad)


def test_an_input_that_is_deleted_stays_away_and_is_read_again(
    tmp_path: Path, creating_broker: str
) -> None:
    pipeline = make(tmp_path, creating_broker)
    with pipeline.worker() as worker:
        worker.await_ready()
        worker.await_finished(pipeline.produce(number(100 + i) for i in range(200)))
        delete(pipeline, pipeline.input)
        wait_until("/ready names the topic", lambda: names(worker, pipeline.input), timeout=20)
        time.sleep(_STAYS_AWAY_SECONDS)
        assert pipeline.input not in probe(pipeline.kafka).topics, "a client created the topic"
        create_topics(pipeline.kafka, {pipeline.input: TopicSettings(partitions=4)})
        worker.await_ready()
        worker.stop()
    log = worker.log_text()
    assert log.count(f"input topic {pipeline.input} does not exist") == 1
    assert "Traceback" not in log


def test_an_output_that_is_made_again_with_fewer_partitions_ends_the_worker(
    tmp_path: Path, creating_broker: str
) -> None:
    pipeline = make(tmp_path, creating_broker)
    with pipeline.worker() as worker:
        worker.await_ready()
        worker.await_finished(pipeline.produce(number(100 + i) for i in range(200)))
        delete(pipeline, pipeline.output)
        count = pipeline.produce(number(1000 + i) for i in range(200))
        wait_until("/ready names the topic", lambda: names(worker, pipeline.output), timeout=20)
        create_topics(pipeline.kafka, {pipeline.output: TopicSettings(partitions=2)})
        log = worker.await_exit(1)
    assert f"topic {pipeline.output} had 4 partitions and was made again with 2" in log
    with pipeline.worker() as worker:
        worker.await_ready()
        pipeline.await_answered(count)
        worker.stop()
