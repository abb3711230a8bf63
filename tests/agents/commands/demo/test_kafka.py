from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from agents.commands.demo.kafka import prepare_topics
from streams.kafka.reader import TopicReader
from streams.settings import PipelineSettings
from tests.agents.commands.demo.worlds import run_settings


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineSettings]:
    with run_settings(tmp_path_factory.mktemp("demo")) as settings:
        yield settings


def test_the_group_starts_after_the_records_of_an_earlier_run(settings: PipelineSettings) -> None:
    ends = prepare_topics(settings)
    assert set(ends.values()) == {0}
    assert {topic for topic, _ in ends} >= {"video.frames", "video.frames.dlq"}
    producer = Producer({"bootstrap.servers": settings.kafka["bootstrap.servers"]})
    for _ in range(3):
        producer.produce("sensor.readings", b"left over", partition=2)
    assert producer.flush(10) == 0
    assert prepare_topics(settings)["sensor.readings", 2] == 3
    with TopicReader(settings.kafka, str(settings.kafka["group.id"])) as reader:
        committed = reader.committed("sensor.readings", 4)
    assert committed[2] == 3
    assert committed[3] < 0, "an empty partition is read from its start"
