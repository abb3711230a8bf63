"""A position is a topic id and an offset; read and write it in commits and in result ids.

Kafka 2.8 and later give each topic an id, which differs for a topic that is deleted and made again
under the same name: an offset of the one says nothing about the other. So the id is kept beside the
offset, in the commit's metadata, and in the `ce_id` of each result and dead letter. Where a broker
gives no id, it is "" everywhere, and an offset is compared by the topic's name alone.
"""

from __future__ import annotations

import base64
from typing import NamedTuple

import msgspec
from confluent_kafka import TopicPartition, Uuid

#: The length of a topic id as Kafka's tools print it.
TOPIC_ID_CHARS = 22
_NO_ID = bytes(16)
UNKNOWN_EPOCH = -1


class CommittedPosition(NamedTuple):
    """What a consumer group has committed for one partition."""

    offset: int
    """The offset of the next record to read."""
    topic_id: str = ""
    """The topic that the offset belongs to; "" if the commit does not say."""
    leader_epoch: int = UNKNOWN_EPOCH
    """The leader epoch of the record below the offset (KIP-320); -1 if the commit does not say."""
    began_with: int = 0
    """How many partitions the topic had when the group began to read it; 0 if it does not say."""


class _Metadata(msgspec.Struct, omit_defaults=True):
    topic_id: str = ""
    leader_epoch: int = UNKNOWN_EPOCH
    began_with: int = 0


_decoder = msgspec.json.Decoder(_Metadata)


def format_topic_id(raw: bytes) -> str:
    """Return a topic id of 16 bytes as Kafka's tools print it: 22 characters, base64url.

    All zeros, which means no id, becomes "".
    """
    return "" if raw == _NO_ID else base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def topic_id_of(described: Uuid | None) -> str:
    """Return the topic id of confluent-kafka's `TopicDescription.topic_id`.

    Don't use its `str`: librdkafka writes `+` and `/` where Kafka's tools write `-` and `_`.
    """
    if described is None:
        return ""
    halves = (described.get_most_significant_bits(), described.get_least_significant_bits())
    return format_topic_id(b"".join(half.to_bytes(8, "big", signed=True) for half in halves))


def parse_topic_id(text: str) -> bytes:
    """Return the 16 bytes of a topic id that `format_topic_id` wrote; all zeros for ""."""
    return base64.urlsafe_b64decode(text + "==") if text else _NO_ID


def commit_metadata(topic_id: str, leader_epoch: int = UNKNOWN_EPOCH, began_with: int = 0) -> str:
    """Return the metadata of a commit: compact JSON, "" if nothing is known.

    Args:
        topic_id: of the topic; "" if it has none.
        leader_epoch: of the record below the offset; -1 if it is not known.
        began_with: how many partitions the topic had when the group began to read it.
    """
    if not topic_id and not began_with:
        return ""
    return msgspec.json.encode(_Metadata(topic_id, leader_epoch, began_with)).decode()


def committed_position(offset: int, metadata: str | None) -> CommittedPosition:
    """Read a committed offset with its metadata; metadata of other programs gives no topic id.

    What `commit_metadata` writes ends with its first brace; what follows is ignored: see
    `position_of`.
    """
    whole, end, _ = (metadata or "{}").partition("}")
    try:
        found = _decoder.decode(whole + end)
        return CommittedPosition(offset, found.topic_id, found.leader_epoch, found.began_with)
    except (msgspec.MsgspecError, RecursionError):
        return CommittedPosition(offset)


def position_of(committed: TopicPartition) -> CommittedPosition:
    """Return the committed position that confluent-kafka read, offset -1 if there is none.

    Always use this function for offsets that confluent-kafka (2.16) read. It takes metadata for a C
    string, but librdkafka does not end it with a NUL: whatever lies behind it in memory is read
    too, and need not be UTF-8. (Metadata that it commits itself gets a NUL at its end.)
    """
    try:
        metadata = committed.metadata
    except UnicodeDecodeError as error:
        metadata = error.object[: error.start].decode()
    return committed_position(max(committed.offset, -1), metadata)


def is_same_topic(one: str, other: str) -> bool:
    """Whether two topic ids of one name may be the same topic: equal, or one is unknown."""
    return not one or not other or one == other


def result_id(
    topic: str, topic_id: str, partition: int, offset: int, agent: str, kind: str, index: int
) -> str:
    """Return the `ce_id` of a result or dead letter.

    `topic:partition:offset:agent:type:index`, and `:topic_id` if the topic has one. A dead letter's
    type is `dead_letter`, its index 0.
    """
    return f"{topic}:{partition}:{offset}:{agent}:{kind}:{index}{id_suffix(topic_id)}"


def id_suffix(topic_id: str) -> str:
    """Return what a topic id adds at the end of a `ce_id`."""
    return f":{topic_id}" if topic_id else ""


def split_id_suffix(ce_id: str) -> tuple[str, str]:
    """Split a `ce_id` into the id without its topic id, and the topic id ("" if it has none).

    No other part of a `ce_id` has 22 characters at its end: an index and a sequence number have 19
    digits at most.
    """
    head, _, last = ce_id.rpartition(":")
    return (head, last) if head and len(last) == TOPIC_ID_CHARS else (ce_id, "")
