"""Decide where reading goes on when an offset is no longer in its partition."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

from streams.records import TopicPartition

#: The setting `auto.offset.reset`.
ResetPolicy: TypeAlias = Literal["earliest", "latest", "none"]


class LostReason(StrEnum):
    """Why records were never read, or will never be read again."""

    REMOVED = "removed"
    """No longer in the topic when they were to be read: retention, or delete-records."""
    TRUNCATED = "truncated"
    """The log now ends below an offset that was read or committed."""
    TOPIC_DELETED = "topic_deleted"
    """Unread or unfinished when the topic was deleted."""


class PositionReset(NamedTuple):
    """Where reading goes on, and which offsets that passes over."""

    reason: LostReason
    start: int
    """The offset to read next."""
    first_lost: int
    num_lost: int
    """Offsets, which are the records and, in some topics, markers of transactions."""


def reset_position(
    position: int, first: int, end: int, policy: ResetPolicy
) -> PositionReset | None:
    """Return where reading goes on; None if the position is in the partition after all.

    Args:
        position: the offset that was to be read next.
        first: the first offset of the partition.
        end: the offset after its last record.
        policy: of the group; `none` is decided like `earliest`: the worker stops with it.
    """
    start = end if policy == "latest" else first
    if position < first:
        return PositionReset(LostReason.REMOVED, start, position, start - position)
    if position > end:
        return PositionReset(LostReason.TRUNCATED, start, end, position - end)
    return None


def no_reset(tp: TopicPartition, offset: int | None) -> NoResetError:
    """Return why a worker with `auto.offset.reset: none` ends."""
    where = f"{tp.topic}:{tp.partition}"
    if offset is None:
        what = f"{where}: the group has no committed offset"
    else:
        what = f"{where}: offset {offset}, which is to be read next, is not in the topic"
    return NoResetError(
        f"{what}, and auto.offset.reset is none: set the group's offset with Kafka's "
        "kafka-consumer-groups --reset-offsets, or choose earliest or latest"
    )


class NoResetError(RuntimeError):
    """A partition has no offset to start from, and the pipeline file forbids to choose one."""
