"""Where reading starts, for agents whose models learn: at what their snapshots cover."""

from __future__ import annotations

import logging
from typing import Any

from faust.types import TP

from streams.records import TopicPartition

logger = logging.getLogger(__name__)


async def seek_to_state(consumer: Any) -> None:
    """Restore the models of every partition held, and seek to what they learn from next.

    Called with the flow stopped, after Faust has sought each partition to its committed offset.
    """
    intake = consumer.assigned
    learning = [tp for tp in consumer.assignment() if tp.topic in intake.learning_topics]
    if not learning:
        return
    if begun := _begun(consumer, learning):
        await consumer.seek_wait(begun)
        return
    first = await consumer.earliest_offsets(*learning)
    end = await consumer.latest_offsets(*learning)
    resets_to = end if _resets_to_latest(consumer) else first
    positions: dict[TopicPartition, int] = {}
    for tp in learning:
        committed = consumer._committed_offset[tp]
        is_there = committed is not None and first[tp] <= committed <= end[tp]
        # Where there is no such offset (any more), Kafka's client would choose the same.
        positions[TopicPartition(*tp)] = committed if is_there else resets_to[tp]
    starts = await intake.begin(positions)
    seeks: dict[TP, int] = {}
    for tp in learning:
        start = starts[TopicPartition(*tp)]
        if start < first[tp]:
            logger.warning(
                "%s:%d: the topic no longer has offsets %d to %d, which its model should learn "
                "from again: its answers may differ from those of a worker that had not stopped",
                *(*tp, start, first[tp] - 1),
            )
        seeks[tp] = max(start, first[tp])
    await consumer.seek_wait(seeks)


def _begun(consumer: Any, learning: list[TP]) -> dict[TP, int]:
    """Return where reading goes on, if it has begun: Faust now and then seeks twice."""
    tracker = consumer.assigned.tracker
    if any(tracker.committed_offset(TopicPartition(*tp)) is None for tp in learning):
        return {}
    return {tp: tracker.next_offset(TopicPartition(*tp)) for tp in learning}


def _resets_to_latest(consumer: Any) -> bool:
    return bool(consumer.app.client_arguments["consumer"]["auto_offset_reset"] == "latest")
