"""Finish records in work before partitions are given up: at a rebalance, and when a worker stops.

Every wait is bounded: records that are not finished in time stay uncommitted and are read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from streams.retry import within
from streams.transport.stop_limits import LAST_COMMIT_SECONDS, LEAST_SECONDS

if TYPE_CHECKING:
    from streams.transport.consumer import Consumer

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.01


class Drain:
    """Finishes the records of one consumer that are in work, commits them and stores state."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._app = consumer.app
        self.num_unfinished: dict[str, int] = {}
        """Records of each topic that were read and not finished before a rebalance."""
        self._has_given_up = False
        """Whether the stopping worker's records wait for something that is away."""

    async def run(self) -> None:
        """Wait until records in work are finished; then commit, store state, end transactions."""
        transactions, tracker = self._app.exactly_once, self._consumer.assigned.tracker
        num_in_work = tracker.under_way_by_topic()
        tracker.give_up_untaken()
        num_taken = tracker.under_way_by_topic()
        if transactions is not None:
            transactions.flush()
        await self._wait_until_finished()
        for topic, num_left in tracker.under_way_by_topic().items():
            num_left += num_in_work[topic] - num_taken[topic]
            self.num_unfinished[topic] = max(num_left, self.num_unfinished.get(topic, 0))
        if left := tracker.num_taken():
            logger.warning("%d records were not finished in time and will be read again", left)
        await self._commit()
        await self._store()
        if transactions is not None:
            tracker.give_up(filter(self._consumer.is_batch, tracker.partitions()))
            await transactions.release_all()

    async def _wait_until_finished(self) -> None:
        # Faust drains twice while it stops: both calls share one deadline.
        left = self._app.seconds_to_stop()
        deadline = time.monotonic() + (self._app.drain_seconds if left is None else left)
        tracker = self._consumer.assigned.tracker
        while tracker.num_taken() and time.monotonic() < deadline:
            if self._has_given_up or self._app.health.is_waiting_for_others():
                self._has_given_up = left is not None
                return
            if self._app.exactly_once is None and self._app.group_session.is_lost:
                # Others read these records again, whether they are answered here or not.
                tracker.give_up_unfinished()
            await asyncio.sleep(_LOOK_SECONDS)
            self._consumer.collect_inlined_acks()

    async def _commit(self) -> None:
        """Commit; while the worker stops, wait only a limited time for the broker."""
        left = self._app.seconds_to_stop(LAST_COMMIT_SECONDS)
        if left is None:
            await self._commit_all()
        elif not await within(max(left, LEAST_SECONDS), self._commit_all()):
            logger.warning(
                "offsets not committed: no broker answers; the records will be read again"
            )
            self._app.health.has_given_up = True

    async def _commit_all(self) -> None:
        """Commit what is finished by now, also if an earlier commit is still under way.

        `commit` alone would only wait for that one, which may be of fewer records.
        """
        await self._consumer.maybe_wait_for_commit_to_finish()
        await self._consumer.commit()

    async def _store(self) -> None:
        """Store the state of online models, in a limited time."""
        left = self._app.seconds_to_stop(LAST_COMMIT_SECONDS)
        seconds = self._app.drain_seconds if left is None else max(left, LEAST_SECONDS)
        if not await within(seconds, self._consumer.assigned.on_revoked()):
            logger.warning(
                "online models' state was not stored in time: a restart replays more records"
            )
