import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from agents.commands.broker import embedded_broker
from agents.commands.cluster import broker_at
from agents.commands.demo import feeding
from agents.commands.demo.cluster import prepare_topics
from agents.commands.demo.engine import run_engine
from agents.commands.demo.errors import DemoError
from agents.commands.demo.feeding import Feeder
from agents.commands.demo.inputs import packaged_inputs
from agents.commands.demo.pipeline import load_run, run_environment, write_pipeline
from schemas import Event
from streams.kafka.clients import make_consumer
from streams.settings import PipelineSettings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipelineSettings]:
    with embedded_broker() as broker:
        path = tmp_path_factory.mktemp("demo") / "penstock.yaml"
        kafka = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "demo-test"}
        write_pipeline(path, packaged_inputs(), kafka)
        yield load_run(path, {})


def test_a_running_cluster_is_taken_as_it_is() -> None:
    with broker_at("somewhere:9092") as servers:
        assert servers == "somewhere:9092"


def test_the_group_starts_after_what_an_earlier_run_left(settings: PipelineSettings) -> None:
    ends = prepare_topics(settings)
    assert set(ends.values()) == {0}
    assert {topic for topic, _ in ends} >= {"video.frames", "video.frames.dlq"}
    producer = Producer({"bootstrap.servers": settings.kafka["bootstrap.servers"]})
    for _ in range(3):
        producer.produce("sensor.readings", b"left over", partition=2)
    assert producer.flush(10) == 0
    assert prepare_topics(settings)["sensor.readings", 2] == 3
    consumer = make_consumer(settings.kafka)
    places = [TopicPartition("sensor.readings", partition) for partition in (2, 3)]
    committed = [place.offset for place in consumer.committed(places, timeout=10)]
    consumer.close()
    assert committed[0] == 3
    assert committed[1] < 0, "an empty partition is read from its start"


def test_a_feeder_waits_for_the_agent(
    settings: PipelineSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "MAX_UNFINISHED_SECONDS", 0.1)
    events: list[Event] = []
    fed = packaged_inputs().by_kind["behavior"]
    agent = settings.agents["cluster_behavior"]
    feeder = Feeder(fed, agent, settings.kafka, "run", events.append)
    feeder.start()
    most = int(0.1 * fed.rate) + 1
    _wait(lambda: feeder.published.num_sent == most)
    time.sleep(0.3)
    assert feeder.published.num_sent == most, "the agent has finished nothing"
    feeder.num_finished = 10
    _wait(lambda: feeder.published.num_sent == most + 10)
    feeder.stop()
    feeder.join(10)
    assert feeder.published.num_delivered == feeder.published.num_sent
    assert feeder.failure == ""
    assert [event.event_id for event in events[:2]] == ["run-0", "run-1"]


def _wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_engine_that_does_not_start_says_why(tmp_path: Path) -> None:
    absent, log = tmp_path / "absent.yaml", tmp_path / "worker.log"
    with run_engine(absent, log, run_environment(is_own_broker=True)) as engine:
        with pytest.raises(DemoError, match=r"did not start: .*no such file"):
            engine.wait_until_ready(lambda: False)
        assert engine.stop() == 2
