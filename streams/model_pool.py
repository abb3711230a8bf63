"""Answers micro-batches with an agent's model copies, each copy on its own thread.

A stateless model has `concurrency` copies. A model that learns has one instance for each partition;
all of them share one thread, which runs the batches in the order in which they were formed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack

from streams.batching import MicroBatch
from streams.executor import device_executor, run_on
from streams.joint_calls import call_model
from streams.model_calls import ModelCalls, PatientModel
from streams.model_protocols import (
    LearningModel,
    MemoryFreeingModel,
    ModelFactory,
    PreparingModel,
    ServedModel,
)
from streams.online import OnlineRunner, Update
from streams.out_of_memory import BatchSizeLimit
from streams.predicting import load, predict_each, predict_prepared, prepare

logger = logging.getLogger(__name__)

T = TypeVar("T")
Args = TypeVarTuple("Args")

#: Batches that a copy may have at once: one on the device, and one that is formed and prepared
#: meanwhile, so that it starts as soon as the first ends.
_BATCHES_PER_COPY = 2


@dataclass(slots=True)
class _Copy:
    model: ServedModel
    executor: ThreadPoolExecutor
    calls: PatientModel
    """The model's prediction methods."""
    num_batches: int = 0
    """Batches on its thread or waiting for it."""


class ModelPool:
    """An agent's model copies; cheap to make, loaded once."""

    def __init__(
        self,
        agent: str,
        factory: ModelFactory,
        concurrency: int,
        devices: Sequence[str],
        makes_updates: bool = True,
        on_incidents: Callable[[str, int], None] = lambda kind, count: None,
        on_waited: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Make the copies without loading them.

        Args:
            agent: the agent's name, used in thread names.
            factory: makes a copy, or a partition's instance of a model that learns.
            concurrency: number of copies of a stateless model.
            devices: devices to try in order, such as `cuda:0` and then `cpu`.
            makes_updates: whether a model that learns makes its updates.
            on_incidents: called with each kind of incident that models report, and their number.
            on_waited: called with the seconds of each pause in which a model was unavailable.
        """
        first = factory()
        self.name: str = first.name
        self.is_online = isinstance(first, LearningModel)
        self.calls = ModelCalls(agent, on_waited)
        """Makes the model calls."""
        self._prepares = isinstance(first, PreparingModel) and not self.is_online
        self.num_copies = 1 if self.is_online else concurrency
        prepares = self._prepares or getattr(first, "prepares", False)
        self.has_own_threads = prepares and devices[0] == "cpu"
        """Whether the copies compute on the CPU with their library's threads."""
        models = [first, *(factory() for _ in range(self.num_copies - 1))]
        self._copies = [
            _Copy(m, device_executor(f"{agent}-{i}"), PatientModel(m, self.calls))
            for i, m in enumerate(models)
        ]
        self.num_slots = self.num_copies * _BATCHES_PER_COPY
        self._runner = (
            OnlineRunner(factory, devices[-1], makes_updates, on_incidents, self.calls.run)
            if self.is_online
            else None
        )
        self._devices = devices
        self.device = ""
        """Where the copies are loaded; "" before `load`."""

    def load(self, is_waiting: bool = True) -> None:
        """Load every copy, each on its own thread, and wait; a second call does nothing.

        Args:
            is_waiting: whether to try again for as long as a model raises `Unavailable`.

        Raises:
            Exception: whatever the model's `load` or `warm_up` raises on the last device.
        """
        if self.device:
            return
        *preferred, last = self._devices
        for device in preferred:
            try:
                self._load_on(device, is_waiting)
                return
            except Exception as error:
                logger.warning("%s is not used for %s: %s", device, self.name, error)
        self._load_on(last, is_waiting)

    def _load_on(self, device: str, is_waiting: bool) -> None:
        call = self.calls.patiently if is_waiting else call_model
        jobs = [copy.executor.submit(call, load, copy.model, device) for copy in self._copies]
        for job in jobs:
            job.result()
        self.device = device

    @property
    def is_warm(self) -> bool:
        """Whether every copy is loaded and, with `isolation: process`, its process runs."""
        return bool(self.device) and all(
            getattr(copy.model, "is_warm", True) for copy in self._copies
        )

    @property
    def version(self) -> str:
        """The model's version; some models know it only after `load`."""
        return self._copies[0].model.version

    async def answer(
        self, batch: MicroBatch[Any], host: ThreadPoolExecutor, limit: BatchSizeLimit
    ) -> tuple[list[Any], list[Update], dict[str, float]]:
        """Answer every event of a micro-batch.

        Args:
            batch: N events.
            host: runs `prepare_batch` if the model has one.
            limit: the largest batch that the device has memory for; lowered if this one does not
                fit.

        Returns:
            N answers in order, updates to publish, and the seconds that each stage took.
        """
        events = batch.events
        seconds: dict[str, float] = {}
        prepared = None
        # One record with many events can be over the limit: it is prepared and answered in parts.
        prepares = self._prepares and len(events) <= limit.size
        if prepares:
            prepared, seconds["prepare"] = await run_on(
                host, _timed, self.calls.run, prepare, self._copies[0].model, events
            )
        copy = min(self._copies, key=lambda copy: copy.num_batches)
        copy.num_batches += 1
        try:
            work: tuple[Any, ...]
            if self._runner is not None:
                work = (self._runner.answer, batch)
            elif prepares:
                work = (predict_prepared, copy.calls, prepared, events, limit)
            else:
                work = (predict_each, copy.calls.predict_batch, events, 1, limit)
            answered, seconds["predict"] = await run_on(copy.executor, _timed, *work)
        finally:
            copy.num_batches -= 1
        answers, updates = answered if self._runner is not None else (answered, [])
        return answers, updates, seconds

    def free_memory(self) -> None:
        """Let the models' libraries release the device memory that they reserve."""
        for copy in self._copies:
            if isinstance(copy.model, MemoryFreeingModel):
                copy.model.free_memory()

    @property
    def online(self) -> OnlineRunner | None:
        """The runner of models that learn, None for others; call it only through `on_device`."""
        return self._runner

    async def on_device(self, work: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """Run work on the thread of models that learn, between two batches."""
        return await run_on(self._copies[0].executor, work, *args)

    def keep_only(self, partitions: set[Hashable]) -> None:
        """Close the models of all other partitions, which the worker has given up."""
        if self._runner is not None:
            self._copies[0].executor.submit(self._runner.keep_only, partitions)

    def close(self) -> None:
        """Close each model on its thread, after its running and queued calls."""
        self.calls.close()
        for copy in self._copies:
            if self._runner is not None:
                copy.executor.submit(self._runner.close)
            copy.executor.submit(copy.model.close)
            copy.executor.shutdown(wait=False)


def _timed(work: Any, *args: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    return work(*args), time.perf_counter() - started
