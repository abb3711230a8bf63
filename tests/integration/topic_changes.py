"""Change topics under a pipeline: delete records, make a topic again, write transactions."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from streams.kafka.admin import create_topics, probe, topic_ids
from streams.kafka.positions import commit_metadata
from streams.settings import TopicSettings
from tests.waiting import wait_until


def delete_records(servers: str, topic: str, below: int, partition: int = 0) -> None:
    """Remove the records of a partition below an offset, as retention does."""
    place = TopicPartition(topic, partition, below)
    admin = AdminClient({"bootstrap.servers": servers})
    done = admin.delete_records([place])[place].result(20)
    assert done.low_watermark >= below


def make_again(servers: str, topic: str, partitions: int) -> str:
    """Delete a topic and create it again; return the new topic's id."""
    kafka: dict[str, str | int | float | bool] = {"bootstrap.servers": servers}
    before = topic_ids(kafka, [topic])[topic]
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_topics([topic])[topic].result(20)
    wait_until("the topic is gone", lambda: topic not in probe(kafka).topics)

    def is_made() -> bool:
        create_topics(kafka, {topic: TopicSettings(partitions=partitions)})
        return topic_ids(kafka, [topic])[topic] not in ("", before)

    wait_until("the topic is there again", is_made)
    return topic_ids(kafka, [topic])[topic]


def set_config(servers: str, topic: str, name: str, value: str) -> None:
    """Change one setting of a topic."""
    admin = AdminClient({"bootstrap.servers": servers})
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(20)


def commit(
    servers: str, group: str, topic: str, offset: int, topic_id: str = "", partition: int = 0
) -> None:
    """Commit an offset as a group without members, as a worker or an admin does."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": group})
    at = TopicPartition(topic, partition, offset, commit_metadata(topic_id))
    consumer.commit(offsets=[at], asynchronous=False)
    consumer.close()


def send_transactions(
    servers: str, topic: str, transactions: Iterable[tuple[int, bool]], partition: int = 0
) -> None:
    """Write transactions of so many records each; those marked True are aborted."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": f"writer of {topic}"})
    producer.init_transactions(20)
    for count, is_aborted in transactions:
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(topic, b"{}", b"k", partition=partition)
        assert producer.flush(20) == 0
        (producer.abort_transaction if is_aborted else producer.commit_transaction)(20)
