"""Model copies and the threads they run on: how a micro-batch gets its answers.

A stateless model has `concurrency` copies, each with a thread of its own. A model that learns has
one instance a partition and one thread for them all, where batches run in the order of forming.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack

from streams.batching import MicroBatch
from streams.call_clock import CallClock, TimedCalls
from streams.executor import device_executor, run_on
from streams.online import OnlineRunner, Update
from streams.out_of_memory import BatchSizeLimit
from streams.predicting import load, predict_each, predict_prepared, prepare
from streams.protocols import (
    LearningModel,
    MemoryFreeingModel,
    ModelFactory,
    PreparingModel,
    ServedModel,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
Args = TypeVarTuple("Args")

#: Batches that a copy may have at once: one on the device, and one formed (and prepared) meanwhile,
#: which begins the moment the first ends.
_BATCHES_PER_COPY = 2


@dataclass(slots=True)
class _Copy:
    model: ServedModel
    executor: ThreadPoolExecutor
    calls: TimedCalls
    """The model's, timed."""
    num_batches: int = 0
    """On its thread, or waiting for it."""


class ModelPool:
    """Answers micro-batches; made cheaply, loaded once."""

    def __init__(
        self, agent: str, factory: ModelFactory, concurrency: int, devices: Sequence[str]
    ) -> None:
        """Make the copies; nothing is loaded yet.

        Args:
            agent: for the names of threads.
            factory: makes a copy, or a partition's instance of a model that learns.
            concurrency: copies of a stateless model.
            devices: where to load, the first that works: `cuda:0`, `cpu`.
        """
        first = factory()
        self.name: str = first.name
        self.is_online = isinstance(first, LearningModel)
        self.calls = CallClock()
        """The model calls under way."""
        self._prepares = isinstance(first, PreparingModel) and not self.is_online
        self.num_copies = 1 if self.is_online else concurrency
        prepares = self._prepares or getattr(first, "prepares", False)
        self.has_own_threads = prepares and devices[0] == "cpu"
        """Whether the copies will compute on the CPU with a library's own threads."""
        models = [first, *(factory() for _ in range(self.num_copies - 1))]
        self._copies = [
            _Copy(m, device_executor(f"{agent}-{i}"), TimedCalls(m, self.calls))
            for i, m in enumerate(models)
        ]
        self.num_slots = self.num_copies * _BATCHES_PER_COPY
        self._runner = OnlineRunner(factory, devices[-1]) if self.is_online else None
        self._devices = devices
        self.device = ""
        """Where the copies are; "" before `load`."""

    def load(self) -> None:
        """Load every copy, each on its own thread, and wait; a second call does nothing.

        Raises:
            Exception: whatever the model's `load` or `warm_up` raises on the last device.
        """
        if self.device:
            return
        *preferred, last = self._devices
        for device in preferred:
            try:
                self._load_on(device)
                return
            except Exception as error:
                logger.warning("%s is not used for %s: %s", device, self.name, error)
        self._load_on(last)

    def _load_on(self, device: str) -> None:
        jobs = [copy.executor.submit(load, copy.model, device) for copy in self._copies]
        for job in jobs:
            job.result()
        self.device = device

    @property
    def is_warm(self) -> bool:
        """Whether every copy is loaded, and its process, if it has one, is there."""
        return bool(self.device) and all(
            getattr(copy.model, "is_warm", True) for copy in self._copies
        )

    @property
    def version(self) -> str:
        """The model's version; some know theirs only once they are loaded."""
        return self._copies[0].model.version

    async def answer(
        self, batch: MicroBatch[Any], host: ThreadPoolExecutor, limit: BatchSizeLimit
    ) -> tuple[list[Any], list[Update], dict[str, float]]:
        """Answer every event of a micro-batch.

        Args:
            batch: N events.
            host: where a model that prepares does so.
            limit: the largest batch that the device has memory for; lowered if that is less.

        Returns:
            N answers in order, global updates, and the seconds that each stage took.
        """
        events = batch.events
        seconds: dict[str, float] = {}
        prepared = None
        if self._prepares:
            prepared, seconds["prepare"] = await run_on(
                host, _timed, self.calls.timed(prepare), self._copies[0].model, events
            )
        copy = min(self._copies, key=lambda copy: copy.num_batches)
        copy.num_batches += 1
        try:
            work: tuple[Any, ...]
            if self._runner is not None:
                work = (self.calls.timed(self._runner.answer), batch)
            elif self._prepares:
                work = (predict_prepared, copy.calls, prepared, events, limit)
            else:
                work = (predict_each, copy.calls.predict_batch, events, 1, limit)
            answered, seconds["predict"] = await run_on(copy.executor, _timed, *work)
        finally:
            copy.num_batches -= 1
        answers, updates = answered if self._runner is not None else (answered, [])
        return answers, updates, seconds

    def free_memory(self) -> None:
        """Have the models' libraries give back what they hold in reserve on the device."""
        for copy in self._copies:
            if isinstance(copy.model, MemoryFreeingModel):
                copy.model.free_memory()

    @property
    def online(self) -> OnlineRunner | None:
        """The models that learn, to be called through `on_device` alone; None if none does."""
        return self._runner

    async def on_device(self, work: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """Run work on the thread of the models that learn, between two batches."""
        return await run_on(self._copies[0].executor, work, *args)

    def keep_only(self, partitions: set[Hashable]) -> None:
        """Close the models of partitions that are no longer this worker's."""
        if self._runner is not None:
            self._copies[0].executor.submit(self._runner.keep_only, partitions)

    def close(self) -> None:
        """Close every model on its own thread; what they are doing is finished first."""
        for copy in self._copies:
            if self._runner is not None:
                copy.executor.submit(self._runner.close)
            copy.executor.submit(copy.model.close)
            copy.executor.shutdown(wait=False)


def _timed(work: Any, *args: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(*args), time.perf_counter() - started
