"""Deleting dead letters for good: Kafka removes only whole beginnings of a partition."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.commands.dlq.letters import as_letter, dead_letter_topics, letter_reader, read_states
from agents.commands.dlq.sending import Sender
from agents.commands.topic_reader import Bounds, TopicReader
from schemas import Origin, Settlement
from streams.kafka.admin import probe
from streams.kafka.errors import BrokerError
from streams.kafka.settings import confluent_config
from streams.message_headers import headers_of
from streams.settings import PipelineSettings

_TIMEOUT_SECONDS = 15.0


def delete_settled(settings: PipelineSettings, agents: Sequence[str] = ()) -> int:
    """Delete, of each partition, everything before its first record that is not settled.

    A mark stays behind: from then on an audit can't tell those records from lost ones, and says so.

    Args:
        settings: of the pipeline.
        agents: of whose topics; none: all.

    Returns:
        How many letters were deleted.

    Raises:
        BrokerError: the broker can't be reached or refuses.
        ValueError: an agent that is named does not exist.
    """
    cluster = probe(settings.kafka)
    if cluster.is_embedded:
        raise BrokerError("the embedded broker deletes no records")
    num_deleted = 0
    sender = Sender(settings.kafka)
    admin = AdminClient(confluent_config(settings.kafka, "admin"))
    with letter_reader(settings) as reader:
        for topic in dead_letter_topics(settings, agents):
            for partition, bounds in enumerate(reader.bounds(topic, cluster.topics.get(topic, 0))):
                end, below, num_letters = _settled_before(reader, topic, partition, bounds)
                if num_letters:
                    sender.settle([_mark(topic, partition, end, below)])
                    _delete(admin, TopicPartition(topic, partition, end))
                    num_deleted += num_letters
    return num_deleted


def _settled_before(
    reader: TopicReader, topic: str, partition: int, bounds: Bounds
) -> tuple[int, dict[int, int], int]:
    """Look for the first record that is neither settled nor a settlement.

    Returns:
        Its offset; of each input partition an offset above the records of the letters before it;
        how many letters those are.
    """
    states = read_states(reader, topic, partition, bounds)
    below: dict[int, int] = {}
    num_letters = 0
    for messages in reader.read(topic, partition, bounds):
        for message in messages:
            offset = message.offset() or 0
            mark = Settlement.from_record(message.value(), headers_of(message))
            if mark is not None:
                if mark.action == "deleted":  # what it says must outlive it
                    _raise_to(below, mark.below)
                continue
            letter = as_letter(message, states.get(offset))
            if letter is None or offset not in states:
                return offset, below, num_letters
            num_letters += 1
            _raise_to(below, {letter.told.origin.partition: letter.told.origin.offset + 1})
    return bounds.end, below, num_letters


def _raise_to(below: dict[int, int], other: dict[int, int]) -> None:
    for partition, offset in other.items():
        below[partition] = max(below.get(partition, 0), offset)


def _mark(topic: str, partition: int, end: int, below: dict[int, int]) -> Settlement:
    return Settlement(
        letter=Origin(topic, partition, end - 1),
        action="deleted",
        settled_at_ms=time.time_ns() // 1_000_000,
        below=below,
    )


def _delete(admin: AdminClient, at: TopicPartition) -> None:
    for future in admin.delete_records([at], request_timeout=_TIMEOUT_SECONDS).values():
        try:
            future.result()
        except KafkaException as error:
            why = error.args[0].str()
            raise BrokerError(
                f"can't delete records of {at.topic}[{at.partition}]: {why}"
            ) from None
