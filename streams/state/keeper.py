"""Store and restore the state of online models, so that a crash or rebalance changes no answer.

Two offsets matter for each partition: C, the group's committed offset, below which every record is
answered; and S, the next offset that a snapshot's model learns from. A snapshot is stored only once
S <= C, so no record is answered by a model that has already learned from it. A worker that gets the
partition loads the snapshot, reads from S, only learns below C, and answers from C on, with the
state that the last worker had. A fresh model is stored at once, before its first record, so that
there always is an S.

The model thread takes snapshots between two batches; other threads store them. Where a model can,
a snapshot contains only what has changed since the last (`streams/state/chain.py`). A store that
fails only makes a later replay longer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mode import Service

from streams.executor import run_on
from streams.health.agent_metrics import AgentMetrics
from streams.kafka.positions import is_same_topic
from streams.model_pool import ModelPool
from streams.offsets import OffsetTracker
from streams.online import Learned, OnlineRunner
from streams.records import TopicPartition
from streams.retry import retry
from streams.settings import StateSettings
from streams.state.chain import Chain
from streams.state.restorer import Restored, Restorer
from streams.state.snapshot import (
    StateError,
    StateKey,
    StateStore,
    StateStoreError,
    encode_snapshot,
)

logger = logging.getLogger(__name__)

#: How long a worker that starts waits for a failing store.
_LOAD_SECONDS = 60.0
#: How long it waits for the next partition to be restored.
_BEGIN_SECONDS = 80.0
_RETRY_SECONDS = 2.0
#: How often to check whether a snapshot is due, or may be stored.
_CHECK_SECONDS = 0.5
_RETRYING = "retrying; until then, a restart has more to read again"
#: Snapshots that are stored at the same time.
_NUM_THREADS = 4


@dataclass(slots=True)
class _Held:
    """One partition's snapshots."""

    chain: Chain
    """The snapshots that this worker has stored."""
    stored: int
    """The `next_offset` of the last stored snapshot; -1 if none is stored."""
    topic_id: str
    """The topic that the offsets belong to; "" if the broker gives no ids."""
    due: float
    """When to take the next snapshot, on the clock."""
    taken: Learned | None = None
    """A snapshot that is not stored yet: the group has not committed that far."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Taken while a snapshot is taken or stored."""
    position: int | None = None
    """The group's committed offset when the partition was revoked."""


class StateKeeper(Service):  # type: ignore[misc]  # mode is not typed for subclassing
    """Stores and restores the models of one agent."""

    def __init__(
        self,
        agent: str,
        pool: ModelPool,
        store: StateStore | None,
        settings: StateSettings,
        *,
        tracker: OffsetTracker,
        metrics: AgentMetrics,
        on_failure: Callable[[BaseException], Awaitable[None]],
        topic_id: Callable[[str], str] = lambda topic: "",
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        """Keep no state yet.

        Args:
            agent: its name.
            pool: its models, which are online models.
            store: where snapshots are stored; None: nowhere, models start fresh.
            settings: the interval, and what to do where learned state can't be used.
            tracker: the committed offsets.
            metrics: of the agent.
            on_failure: called when the worker can't continue: end it.
            topic_id: returns the id under which a topic is read; "" if it has none.
            clock: monotonic, seconds.
            kwargs: of the service.
        """
        super().__init__(**kwargs)
        assert pool.online is not None
        self.agent = agent
        self._pool = pool
        self._runner: OnlineRunner = pool.online
        self._store = store
        self._settings = settings
        self._tracker = tracker
        self._metrics = metrics
        self._on_failure = on_failure
        self._topic_id = topic_id
        self._clock = clock
        self._held: dict[Hashable, _Held] = {}
        self._threads = ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix=f"state-{agent}")
        self._is_failing = False
        self._num_restored_bytes = 0
        self._restorer = (
            None
            if store is None
            else Restorer(agent, pool, store, settings, metrics, topic_id, self._retried)
        )

    @property
    def label(self) -> str:
        """The name in logs and service trees."""
        return f"StateKeeper: {self.agent}"

    async def begin(
        self,
        positions: Mapping[TopicPartition, int],
        committed: Collection[TopicPartition] = (),
    ) -> dict[TopicPartition, int]:
        """Restore the model of each partition to its state at the group's position.

        Args:
            positions: for every partition held now, the offset of the first record to answer.
            committed: those of which the group has committed this position.

        Returns:
            The offsets to read from; records below the position are only learned from.
        """
        self._held = {tp: held for tp, held in self._held.items() if tp in positions}
        tasks = {
            tp: asyncio.ensure_future(self._begin(tp, position, tp in committed))
            for tp, position in positions.items()
        }
        try:
            await self._all_restored(tasks.values())
            return {tp: task.result() for tp, task in tasks.items()}
        except Exception as error:
            # While the worker stops, its threads end before their work: that is no failure.
            if not self.should_stop:
                await self._on_failure(error)
            await asyncio.Event().wait()  # until the worker has stopped: nothing may be read
            raise
        finally:
            for task in tasks.values():
                task.cancel()

    async def _all_restored(self, tasks: Collection[asyncio.Task[int]]) -> None:
        """Wait until every partition's model is restored, and log how long it took.

        Raises:
            StateError: for a long time no partition was restored.
            Exception: the first error of a partition.
        """
        began, self._num_restored_bytes = self._clock(), 0
        pending: set[asyncio.Task[int]] = set(tasks)
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=_BEGIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                raise StateError(
                    f"{self.agent}: the state of {len(pending)} partitions was not restored: "
                    f"no progress in {_BEGIN_SECONDS:.0f} s"
                )
            for task in done:
                task.result()
        if tasks:
            self._metrics.state_restored(self._num_restored_bytes, self._clock() - began)
        if self._num_restored_bytes:
            logger.info(
                "%s: the state of %d partitions is restored: %s bytes in %.1f s",
                *(self.agent, len(tasks), f"{self._num_restored_bytes:,}"),
                self._clock() - began,
            )

    async def _begin(self, tp: TopicPartition, position: int, is_committed: bool) -> int:
        held = self._held.get(tp)
        # Only if no other worker had the partition in between and learned more.
        is_same = held is not None and is_same_topic(held.topic_id, self._topic_id(tp.topic))
        if held is not None and held.position == position and is_same:
            start = await self._pool.on_device(self._runner.resume, tp, position)
            if start is not None:
                held.chain.end()
                return start
        restored = Restored(-1, None)
        if self._restorer is not None:
            restored = await self._restorer.restore(tp, position, is_committed)
        due = self._clock() + self._settings.interval_seconds
        held = self._held[tp] = _Held(Chain(restored.sequence), -1, self._topic_id(tp.topic), due)
        if restored.next_offset is not None:
            self._num_restored_bytes += restored.num_bytes
            held.stored = restored.next_offset
            return held.stored
        await self._pool.on_device(self._runner.start, tp, position)
        await self._store_initial_snapshot(tp)
        return position

    async def _store_initial_snapshot(self, tp: TopicPartition) -> None:
        """Store a fresh model, before it learns."""
        if self._store is None:
            return
        try:
            learned = await self._pool.on_device(self._runner.learned, tp)
        except Exception as error:  # a user's own model may raise anything
            raise StateError(
                f"{self._key(tp)}: its model can't be saved: {type(error).__name__}: {error}: fix "
                "its snapshot(), or accept that restarts lose its state (state.store: none)"
            ) from error
        assert learned is not None
        await self._retried(self._save, self._store, tp, self._held[tp], learned)

    async def _retried(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run work of the store on a thread; retry for a limited time while the store fails."""
        deadline = self._clock() + _LOAD_SECONDS
        return await retry(
            lambda: run_on(self._threads, work, *args),
            StateStoreError,
            lambda error, _: self._failed(error, "the worker waits for the store"),
            wait_seconds=_RETRY_SECONDS,
            gives_up=lambda: self._clock() > deadline,
        )

    @Service.task  # type: ignore[untyped-decorator]
    async def _keep(self) -> None:
        if self._store is None:
            return
        while not self.should_stop:
            await self.sleep(min(_CHECK_SECONDS, self._settings.interval_seconds))
            for tp, held in list(self._held.items()):
                if self._held.get(tp) is held:
                    await self._advance(self._store, tp, held)

    async def _advance(self, store: StateStore, tp: Hashable, held: _Held) -> None:
        """Take a snapshot if one is due; store it if its records are committed."""
        async with held.lock:
            committed = self._tracker.committed_offset(tp)
            if committed is None:  # the partition was revoked
                return
            if held.taken is None and self._clock() >= held.due:
                held.due = self._clock() + self._settings.interval_seconds
                held.taken = await self._take(tp, held)
            if held.taken is not None and held.taken.next_offset <= committed:
                taken, held.taken = held.taken, None
                await self._try_to_store(store, tp, held, taken)

    async def _take(self, tp: Hashable, held: _Held) -> Learned | None:
        try:
            learned = await self._pool.on_device(self._runner.learned, tp, held.chain.since)
        except Exception as error:  # a user's own model may raise anything
            self._failed(error, _RETRYING)
            return None
        return learned if learned is not None and learned.next_offset > held.stored else None

    async def _try_to_store(
        self, store: StateStore, tp: Hashable, held: _Held, taken: Learned
    ) -> None:
        try:
            await run_on(self._threads, self._save, store, tp, held, taken)
        except StateError as error:
            self._failed(error, _RETRYING)
        else:
            if self._is_failing:
                logger.warning("%s: storing its state works again", self.agent)
            self._is_failing = False

    def _save(self, store: StateStore, tp: Hashable, held: _Held, taken: Learned) -> None:
        """Store a snapshot; runs on one of the store threads."""
        key = self._key(tp)
        snapshot = held.chain.snapshot(key, held.topic_id, taken)
        encoded = encode_snapshot(snapshot)
        base = snapshot.base if snapshot.base >= 0 else None
        store.save(key, snapshot.sequence, encoded, base)
        held.chain.stored(snapshot, taken.mark, len(encoded))
        held.stored = taken.next_offset
        self._metrics.snapshot_stored(len(encoded))

    def _failed(self, error: BaseException, consequence: str) -> None:
        """Count a failure, and log the first until storing works again."""
        self._metrics.snapshot_failed()
        level = logging.DEBUG if self._is_failing else logging.WARNING
        self._is_failing = True
        logger.log(level, "%s: %s: %s", self.agent, error, consequence)

    async def on_revoked(self) -> None:
        """Store a snapshot up to the last commit, so that the next owner replays little.

        Called after that commit, while no records are in work.
        """
        await asyncio.gather(*(self._release(tp, held) for tp, held in self._held.items()))

    async def _release(self, tp: Hashable, held: _Held) -> None:
        held.position = self._tracker.committed_offset(tp)
        if self._store is None or self.should_stop:
            return
        older, held.taken, held.due = held.taken, None, self._clock()
        await self._advance(self._store, tp, held)
        if held.taken is not None and older is not None:
            # The new one is ahead of the commit: some records were not finished in time.
            held.taken = older
            await self._advance(self._store, tp, held)
        held.taken = None

    async def on_stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    def _key(self, tp: Any) -> StateKey:
        return StateKey(self.agent, tp[0], tp[1])
