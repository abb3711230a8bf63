"""Seek to where reading starts after a rebalance.

At least once: to the committed offsets, as Faust does. Where models learn: to the offsets of their
snapshots. Exactly once: after earlier owners are fenced. Faust seeks within a time limit, and
sometimes twice per rebalance; fencing happens once per generation and takes as long as the brokers
need. Until it is done, the partitions are not fetched from.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError
from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from streams.exactly_once.transactions import Transactions
from streams.kafka.position_reset import reset_position
from streams.records import TopicPartition

if TYPE_CHECKING:
    from streams.transport.consumer import Consumer

logger = logging.getLogger(__name__)


class OncePerGeneration:
    """Runs one task per generation of the consumer group."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._generation = -1

    async def run(self, generation: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run work for a generation, or wait for the run that has started.

        Raises:
            RebalanceAgain: the run was cancelled. (CancelledError would end Faust's recovery, which
                waits for this, and the flow would never resume.)
        """
        if self._task is None or self._generation != generation:
            self.cancel()
            self._generation = generation
            self._task = asyncio.ensure_future(work())
        task = self._task
        # The caller may be cancelled without cancelling the task.
        await asyncio.wait([task])
        if task.cancelled():
            raise RebalanceAgain
        task.result()

    def cancel(self) -> None:
        """Cancel the run: the group is rebalancing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None


async def take_over(consumer: Consumer, transactions: Transactions) -> None:
    """Fence earlier owners of all assigned partitions, then seek."""
    assigned = [TopicPartition(*tp) for tp in consumer.assignment()]
    transactional = [tp for tp in assigned if tp.topic in consumer.assigned.batch_topics]

    async def seek(offsets: Mapping[TopicPartition, int]) -> None:
        await _seek(consumer, offsets)
        await seek_to_state(consumer)
        await consumer.commit_starts()

    try:
        await transactions.release_all()
        # Partitions of stock Faust agents: at least once.
        if stock := [tp for tp in assigned if tp not in transactional]:
            await _seek(consumer, await consumer.committed_offsets(stock))
        await transactions.own(transactional, seek)
    except IllegalStateError as error:
        # No longer assigned: the next generation starts from the beginning.
        logger.info("the group rebalanced during a takeover: %s", error)
    except Exception as error:
        if consumer.app.seconds_to_stop() is None:
            await transactions.on_failure(error)
        else:  # its consumer is closed, or closes: nothing is read any more
            logger.info("the worker stops during a takeover: %r", error)


async def seek_to_committed(consumer: Consumer) -> None:
    """Seek to the committed offsets; partitions without one start where the policy says."""
    partitions = [TopicPartition(*tp) for tp in consumer.assignment()]
    await _seek(consumer, await consumer.committed_offsets(partitions))


async def _seek(consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
    if offsets:
        await consumer.seek_wait(offsets)
    consumer._committed_offset.update(offsets)


async def seek_to_state(consumer: Consumer) -> None:
    """Restore the models of every assigned partition, and seek to what they learn from next.

    Called with the flow stopped, after every partition was sought to its committed offset.
    """
    assigned = consumer.assigned
    learning = [tp for tp in consumer.assignment() if tp.topic in assigned.learning_topics]
    if not learning:
        return
    if positions := _positions(consumer, learning):
        await consumer.seek_wait(positions)
        return
    first = await consumer.earliest_offsets(*learning)
    end = await consumer.latest_offsets(*learning)
    answer_from: dict[TopicPartition, int] = {}
    policy = consumer.app.reset_policy
    for tp in learning:
        answer_from[tp] = consumer._committed_offset[tp]
        if answer_from[tp] is None:  # Kafka's client would start at the same place
            answer_from[tp] = end[tp] if policy == "latest" else first[tp]
        elif reset := reset_position(answer_from[tp], first[tp], end[tp], policy):
            consumer.app.lost.position_reset(tp, reset, policy)
            if policy == "none":
                await consumer.stop_without_reset(tp, answer_from[tp])
            answer_from[tp] = reset.start
    seeks: dict[TopicPartition, int] = {}
    for tp, start in (await assigned.begin(answer_from, consumer.committed)).items():
        if start < first[tp]:
            logger.warning(
                "%s:%d: the topic no longer has offsets %d to %d, which its model should learn "
                "from again: its answers may differ from those of a worker that had not stopped",
                *(*tp, start, first[tp] - 1),
            )
        seeks[tp] = max(start, first[tp])
    await consumer.seek_wait(seeks)


def _positions(consumer: Consumer, learning: list[TP]) -> dict[TopicPartition, int]:
    """Return where reading continues, if it has begun: Faust sometimes seeks twice."""
    tracker = consumer.assigned.tracker
    positions = {tp: tracker.next_offset(tp) for tp in learning}
    known = {tp: offset for tp, offset in positions.items() if offset is not None}
    return known if len(known) == len(learning) else {}
