"""Read the newest records of a topic, without a consumer group."""

from __future__ import annotations

from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError, or_hidden
from streams.kafka.reader import Bounds, KafkaRecord, TopicReader, record_of
from streams.kafka.settings import Kafka


def newest_records(kafka: Kafka, topic: str, count: int, timeout: float = 5.0) -> list[KafkaRecord]:
    """Return the newest records of a topic, in the order of their timestamps.

    Args:
        kafka: client settings by librdkafka's names.
        topic: to read.
        count: of records, at most; about as many of each partition.
        timeout: seconds to wait for the broker.

    Raises:
        BrokerError: no broker answers, or there is no such topic.
    """
    topics = probe(kafka, timeout).topics
    if topic not in topics:
        servers = kafka["bootstrap.servers"]
        raise BrokerError(f"no topic {topic!r} on {servers}{or_hidden(kafka)}")
    with TopicReader(kafka, isolation="read_committed") as reader:
        bounds = reader.bounds(topic, topics[topic])
        records = [
            record_of(message)
            for partition, (low, end) in enumerate(_shares(bounds, count))
            for messages in reader.read(topic, partition, Bounds(low, end))
            for message in messages
        ]
    records.sort(key=lambda record: (record.timestamp_ms, record.partition, record.offset))
    return records[-count:]


def _shares(bounds: list[Bounds], count: int) -> list[Bounds]:
    """Return the last offsets of each partition: as many as needed, where others have few."""
    left, shares = count, dict.fromkeys(range(len(bounds)), 0)
    smallest_first = sorted(shares, key=lambda p: bounds[p].end - bounds[p].low)
    for i, partition in enumerate(smallest_first):
        held = bounds[partition].end - bounds[partition].low
        shares[partition] = min(held, -(-left // (len(bounds) - i)))
        left -= shares[partition]
    return [Bounds(b.end - shares[p], b.end) for p, b in enumerate(bounds)]
