"""Load the snapshot of a partition and restore its model; say what is lost where that can't be.

What a model has learned can't be used when there are committed records but no snapshot (`missing`),
when no snapshot fits the pipeline (`unfit`), when reading starts before every snapshot (`behind`),
or when the input was deleted and made again (`earlier_topic`). Where only the latest snapshots are
`damaged`, an earlier one is used, and more records are learned from again. Each is counted and
logged by name. `missing` and `unfit` end the worker, unless the pipeline file has
`state.on_mismatch: fresh`: then the model starts fresh, as it always does for `behind` and
`earlier_topic`, which are a person's decision.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from streams.health.agent_metrics import AgentMetrics
from streams.model_pool import ModelPool
from streams.online import OnlineRunner
from streams.records import TopicPartition
from streams.settings import StateSettings
from streams.state.loading import Loaded, load_snapshot
from streams.state.snapshot import (
    StateKey,
    StateMismatchError,
    StateStore,
)

logger = logging.getLogger(__name__)

#: Calls a blocking function of the store on a thread, and retries while the store fails.
CallStore = Callable[..., Awaitable[Any]]


class Restored(NamedTuple):
    """What `Restorer.restore` found for one partition."""

    sequence: int
    """The number after which the next whole snapshot has its number; -1 if the store is empty."""
    next_offset: int | None
    """The next offset that the restored model learns from; None: start a fresh model."""
    num_bytes: int = 0
    """Size of the restored state."""


class Restorer:
    """Restores the models of one agent, one for each partition."""

    def __init__(
        self,
        agent: str,
        pool: ModelPool,
        store: StateStore,
        settings: StateSettings,
        metrics: AgentMetrics,
        topic_id: Callable[[str], str],
        call_store: CallStore,
    ) -> None:
        """Load nothing yet.

        Args:
            agent: its name.
            pool: its models, which are online models.
            store: where snapshots are stored.
            settings: what to do where state can't be used.
            metrics: of the agent.
            topic_id: returns the id under which a topic is read; "" if it has none.
            call_store: runs a function of the store on a thread.
        """
        assert pool.online is not None
        self._agent = agent
        self._pool = pool
        self._runner: OnlineRunner = pool.online
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._topic_id = topic_id
        self._call_store = call_store

    async def restore(self, tp: TopicPartition, position: int, is_committed: bool) -> Restored:
        """Restore a partition's model to its latest state at or below a position.

        Args:
            tp: the partition.
            position: the offset of the first record to answer.
            is_committed: whether the group has committed this position; False: it has committed
                nothing, so that there need not be a snapshot.

        Raises:
            StateMismatchError: what the model has learned can't be used, and
                `state.on_mismatch` is `stop`.
            StateStoreError: the store can't be read.
        """
        key = StateKey(self._agent, *tp)
        try:
            loaded: Loaded = await self._call_store(
                load_snapshot,
                self._store,
                key,
                position,
                self._topic_id(tp.topic),
                is_committed,
            )
        except StateMismatchError as error:
            self._lost(tp, "unfit", str(error))
            # They give no sequence number that later ones could come after.
            await self._call_store(self._store.delete, key)
            return Restored(-1, None)
        if loaded.num_damaged:
            self._metrics.state_mismatch(tp.topic, "damaged")
        if loaded.snapshot is None:
            self._explain_absence(tp, key, loaded, position, is_committed)
            return Restored(loaded.sequence, None)
        if loaded.snapshot.is_blank:
            logger.info("%s: its state was reset: its model starts fresh", key)
            return Restored(loaded.sequence, None)
        return await self._load_into_model(tp, key, loaded, position)

    def _explain_absence(
        self, tp: TopicPartition, key: StateKey, loaded: Loaded, position: int, is_committed: bool
    ) -> None:
        if loaded.num_of_earlier_topic:
            self._metrics.state_mismatch(tp.topic, "earlier_topic")
            logger.warning(
                "%s: its snapshots are of an earlier topic of this name, which was deleted: its "
                "model starts fresh", key,
            )  # fmt: skip
        elif loaded.offsets_ahead:
            self._metrics.state_mismatch(tp.topic, "behind")
            logger.warning(
                "%s: reading starts at offset %d, behind every snapshot (%s): its model starts "
                "fresh", key, position, ", ".join(map(str, loaded.offsets_ahead)),
            )  # fmt: skip
        elif is_committed and position > 0:
            self._lost(
                tp, "missing",
                f"{key}: the group has committed offset {position}, but there is no snapshot: what "
                "its model had learned from the records below is lost (was the state deleted, is "
                "state.store another one, or was the offset set by hand?)",
            )  # fmt: skip

    async def _load_into_model(
        self, tp: TopicPartition, key: StateKey, loaded: Loaded, position: int
    ) -> Restored:
        snapshot, start = loaded.snapshot, loaded.next_offset
        assert snapshot is not None
        try:
            await self._pool.on_device(self._runner.restore, tp, snapshot, loaded.changes)
        except StateMismatchError as error:
            where = f"{key}: the snapshot of offset {start}"
            self._lost(tp, "unfit", f"{where} does not fit: {error}")
            return Restored(loaded.sequence, None)
        logger.info(
            "%s: continues from the snapshot of offset %d, and learns again from %d offsets",
            *(key, start, position - start),
        )
        num_bytes = sum(len(each.state) for each in (snapshot, *loaded.changes))
        return Restored(loaded.sequence, start, num_bytes)

    def _lost(self, tp: TopicPartition, reason: str, why: str) -> None:
        """Count state that can't be used; raise, unless models may start fresh.

        Raises:
            StateMismatchError: `state.on_mismatch` is `stop`.
        """
        self._metrics.state_mismatch(tp.topic, reason)
        if self._settings.on_mismatch == "stop":
            raise StateMismatchError(
                f"{why}: bring that state or its settings back, or let the model start fresh: "
                f"`penstock state reset {self._agent}`, or state.on_mismatch: fresh"
            )
        logger.warning("%s: its model starts fresh", why)
