import pytest

from streams.kafka.admin import create_topics, probe
from streams.kafka.errors import BrokerSettingsError
from streams.kafka.publisher import Deliveries, Publisher
from streams.kafka.reader import TopicReader, record_of
from streams.kafka.settings import Kafka
from streams.settings import TopicSettings


@pytest.fixture
def kafka(embedded_bootstrap: str) -> Kafka:
    kafka: Kafka = {"bootstrap.servers": embedded_bootstrap}
    names = ("publisher-whole", "publisher-full", "publisher-large")
    create_topics(kafka, dict.fromkeys(names, TopicSettings()))
    return kafka


def test_a_missing_topic_is_not_created(bootstrap: str) -> None:
    kafka: Kafka = {"bootstrap.servers": bootstrap}
    publisher = Publisher(kafka, {"topic.metadata.propagation.max.ms": 500})
    publisher.send("publisher-missing", b"value")
    assert publisher.flush(20) == 0
    assert "Unknown topic" in publisher.deliveries.first_failure
    assert "publisher-missing" not in probe(kafka).topics


def test_a_record_arrives_whole_and_is_counted(kafka: Kafka) -> None:
    publisher = Publisher(kafka)
    results: list[str] = []
    publisher.send(
        "publisher-whole",
        b"value",
        b"key",
        partition=2,
        headers=[("name", b"x")],
        timestamp_ms=1_700_000_000_000,
        on_delivery=results.append,
    )
    assert publisher.outstanding_bytes == 8
    assert publisher.flush(10) == 0
    assert results == [""]
    assert publisher.outstanding_bytes == 0
    assert publisher.deliveries == Deliveries(num_sent=1, num_delivered=1, num_bytes=8)
    with TopicReader(kafka) as reader:
        (record,) = map(record_of, reader.read_all("publisher-whole", 4))
    assert (record.partition, record.key, record.value) == (2, b"key", b"value")
    assert (record.headers, record.timestamp_ms) == ([("name", b"x")], 1_700_000_000_000)


def test_a_full_queue_is_waited_for(kafka: Kafka) -> None:
    publisher = Publisher(kafka, {"queue.buffering.max.messages": 10})
    for number in range(200):
        publisher.send("publisher-full", b"%d" % number, partition=0)
    assert publisher.flush(20) == 0
    with TopicReader(kafka) as reader:
        values = [message.value() for message in reader.read_all("publisher-full", 4)]
    assert values == [b"%d" % number for number in range(200)]


def test_a_record_that_is_too_large_fails_alone(kafka: Kafka) -> None:
    publisher = Publisher(kafka, {"message.max.bytes": 2_000})
    failures: list[str] = []
    publisher.send("publisher-large", b"x" * 5_000, partition=0, on_delivery=failures.append)
    publisher.send("publisher-large", b"small", partition=0)
    assert publisher.flush(10) == 0
    assert len(failures) == 1
    assert "too large" in failures[0].lower()
    deliveries = publisher.deliveries
    assert (deliveries.num_sent, deliveries.num_delivered, deliveries.num_failed) == (2, 1, 1)
    assert deliveries.first_failure == failures[0]
    assert deliveries.is_settled


def test_without_a_broker_records_fail_after_the_delivery_timeout() -> None:
    publisher = Publisher({"bootstrap.servers": "127.0.0.1:1", "delivery.timeout.ms": 300})
    publisher.send("publisher-none", b"x")
    assert not publisher.deliveries.is_settled
    assert publisher.flush(10) == 0
    assert (publisher.deliveries.num_failed, publisher.outstanding_bytes) == (1, 0)


def test_a_wrong_setting_is_a_settings_error(kafka: Kafka) -> None:
    with pytest.raises(BrokerSettingsError, match=r"kafka: .*no\.such\.setting"):
        Publisher(kafka, {"no.such.setting": 1})
