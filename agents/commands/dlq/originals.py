"""The original record of a dead letter that holds only part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from agents.commands.dlq.letters import Headers, Letter
from agents.commands.topic_reader import Bounds, TopicReader
from streams.kafka.admin import probe
from streams.message_headers import UNREADABLE, headers_of
from streams.settings import PipelineSettings


class Original(NamedTuple):
    """A record as its producer wrote it."""

    key: bytes | None
    value: bytes
    headers: Headers


class OriginalGoneError(Exception):
    """The original record can't be had; the message says why."""


def original_of(letter: Letter, reader: TopicReader, partitions: Mapping[str, int]) -> Original:
    """Return the record that a letter is about, from the letter or else from its input topic.

    Args:
        letter: whole, or cut.
        reader: of the input topic.
        partitions: of every topic.

    Raises:
        OriginalGoneError: the letter is cut, and the input topic no longer has the record.
        BrokerError: the topic can't be read.
    """
    if letter.is_whole:
        return Original(letter.key, letter.value, letter.headers)
    origin = letter.told.origin
    if origin.partition >= partitions.get(origin.topic, 0):
        raise OriginalGoneError(f"{origin.topic} has no partition {origin.partition}")
    low, end = reader.bounds_of(origin.topic, origin.partition)
    if not low <= origin.offset < end:
        raise OriginalGoneError("the input topic no longer has the record (retention)")
    one = Bounds(origin.offset, origin.offset + 1)
    for messages in reader.read(origin.topic, origin.partition, one):
        for message in messages:
            if why := _is_another(message, letter):
                raise OriginalGoneError(f"the input topic has another record there: {why}")
            headers = headers_of(message)
            if headers is UNREADABLE:
                raise OriginalGoneError("a header's name is not UTF-8: publish it again by hand")
            return Original(message.key(), message.value() or b"", headers)
    raise OriginalGoneError("the input topic no longer has the record")


def fetch_original(letter: Letter, settings: PipelineSettings) -> Original:
    """Return the record that one letter is about; see `original_of`."""
    with input_reader(settings) as reader:
        return original_of(letter, reader, probe(settings.kafka).topics)


def input_reader(settings: PipelineSettings) -> TopicReader:
    """Return a reader that sees of input topics what a worker sees."""
    isolation = str(settings.kafka.get("isolation.level", "read_uncommitted"))
    return TopicReader(settings.kafka, "penstock-dlq", isolation)


def _is_another(message: Message, letter: Letter) -> str:
    """Return why a record is not the letter's; "" if it may be."""
    told, value = letter.told, message.value()
    kind, timestamp_ms = message.timestamp()
    if value is None:
        return "it is a tombstone"
    if told.timestamp_ms >= 0 and kind != TIMESTAMP_NOT_AVAILABLE:
        if timestamp_ms != told.timestamp_ms:
            return "its timestamp differs"
    if "key" not in told.cut and message.key() != letter.key:
        return "its key differs"
    if told.full_bytes >= 0 and len(value) != told.full_bytes:
        return "its size differs"
    return "" if value.startswith(letter.value) else "its value differs"
