"""`penstock bench models`: the CPU time of an online model's calls, without Kafka.

Micro-batches of random sizes go through the engine's `OnlineRunner`, one model for each partition
as in a worker, from a cold start. Each round visits all sources once, in a random order. CPU time,
not wall-clock time: the figures mean the same on a busy machine.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from models.registry import make_model, model_class
from schemas import BehaviorEvent, Event, Interaction, SensorReading
from streams.batching import Chunk, MicroBatch
from streams.executor import tune_garbage_collector
from streams.online import OnlineRunner
from streams.records import RecordBatch, TopicPartition
from streams.span import Span

MODELS = (
    "robust_zscore",
    "half_space_trees",
    "seasonal_likelihood",
    "isolation_forest",
    "online_kmeans",
    "denstream",
    "clustream",
    "dbstream",
    "recommender",
)
#: Items that the users of `recommender` choose from, popular ones more often.
_ITEMS = 2000
_SEED = 5
_TABLE_ROWS = 4096


@dataclass(frozen=True)
class CallsPlan:
    """What is measured."""

    model: str
    sources: int
    channels: int
    """Numbers in each event."""
    partitions: int
    batch: tuple[int, int]
    """The smallest and the largest micro-batch, in events; sizes between are equally likely."""
    records: int
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the model, besides room for all keys."""


class CallsResult(msgspec.Struct, frozen=True):
    """One model's calls; all times are CPU time. `--json` prints these."""

    model: str
    records: int
    calls: int
    cold_per_second: float
    """Records for each second of CPU time, over the first half: windows grow, keys are new."""
    warm_per_second: float
    """The same for the second half."""
    p50_ms: float
    """Of a call: one micro-batch answered, and learned from where a step is complete."""
    p99_ms: float
    max_ms: float
    snapshot_ms: float
    """Of the slowest partition."""
    snapshot_bytes: int
    """Of the largest partition."""


def measure_calls(plan: CallsPlan) -> CallsResult:
    """Feed micro-batches to new models and time each call."""
    options = _options(plan)
    runner = OnlineRunner(lambda: make_model(model_class(plan.model), options), "cpu")
    sizes, spent = [], []
    with _as_in_a_worker(plan.model):
        for batch in _micro_batches(plan):
            sizes.append(len(batch))
            started = time.process_time()
            runner.answer(batch)
            spent.append(time.process_time() - started)
        snapshots = [_snapshot(runner, partition) for partition in range(plan.partitions)]
    runner.close()
    half = int(np.searchsorted(np.cumsum(sizes), plan.records // 2))
    milliseconds = 1000 * np.array(spent)
    return CallsResult(
        model=plan.model,
        records=plan.records,
        calls=len(spent),
        cold_per_second=sum(sizes[:half]) / max(sum(spent[:half]), 1e-9),
        warm_per_second=sum(sizes[half:]) / max(sum(spent[half:]), 1e-9),
        p50_ms=float(np.median(milliseconds)),
        p99_ms=float(np.quantile(milliseconds, 0.99)),
        max_ms=float(milliseconds.max()),
        snapshot_ms=1000 * max(seconds for seconds, _ in snapshots),
        snapshot_bytes=max(size for _, size in snapshots),
    )


@contextmanager
def _as_in_a_worker(model: str) -> Iterator[None]:
    """Warm up, and tune the garbage collector for a while, as a worker does before it reads."""
    warm = make_model(model_class(model), {})
    warm.load("cpu")
    warm.warm_up()
    thresholds = gc.get_threshold()
    tune_garbage_collector()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _options(plan: CallsPlan) -> dict[str, Any]:
    """Return options that leave room for all keys, and those of the plan."""
    channels = plan.sources * plan.channels
    keys = {
        "robust_zscore": channels,
        "seasonal_likelihood": channels,
        "half_space_trees": plan.sources,
        "isolation_forest": plan.sources,
    }
    room = {"max_keys": keys[plan.model]} if plan.model in keys else {}
    return {**room, **plan.options}


def _snapshot(runner: OnlineRunner, partition: int) -> tuple[float, int]:
    started = time.process_time()
    learned = runner.learned(TopicPartition("events", partition))
    return time.process_time() - started, len(learned.state) if learned is not None else 0


def _micro_batches(plan: CallsPlan) -> Iterator[MicroBatch[Any]]:
    rng = np.random.default_rng(_SEED)
    events = _events(plan, rng)
    next_offsets = [0] * plan.partitions
    done = 0
    while done < plan.records:
        size = min(int(rng.integers(plan.batch[0], plan.batch[1] + 1)), plan.records - done)
        rows: dict[int, list[Event]] = {}
        for _ in range(size):
            source, event = next(events)
            rows.setdefault(source % plan.partitions, []).append(event)
        yield MicroBatch([_chunk(p, part, next_offsets) for p, part in sorted(rows.items())], 0.0)
        done += size


def _chunk(partition: int, events: Sequence[Event], next_offsets: list[int]) -> Chunk[Any]:
    count, first = len(events), next_offsets[partition]
    next_offsets[partition] += count
    tp = TopicPartition("events", partition)
    span = Span(tp, range(first, first + count), 0)
    none: list[None] = [None] * count
    batch = RecordBatch(tp, span, [0] * count, none, none, [()] * count, 0.0)
    return Chunk(batch, range(count), events)


def _events(plan: CallsPlan, rng: np.random.Generator) -> Iterator[tuple[int, Event]]:
    """Yield (source, event); every source occurs once before any occurs again."""
    make = _interaction if plan.model == "recommender" else _maker_of_rows(plan, rng)
    while True:
        for source in rng.permutation(plan.sources).tolist():
            # New objects for each event, as a decoder makes them.
            yield source, make(f"source-{source}", rng)


def _maker_of_rows(
    plan: CallsPlan, rng: np.random.Generator
) -> Callable[[str, np.random.Generator], Event]:
    is_sensor = model_class(plan.model).event_type is SensorReading
    table = rng.normal(20.0, 5.0, (_TABLE_ROWS, plan.channels)).round(3).tolist()
    names = [f"channel_{i}" for i in range(plan.channels)]

    def make(source: str, rng: np.random.Generator) -> Event:
        numbers = dict(zip(names, table[int(rng.integers(_TABLE_ROWS))], strict=True))
        if is_sensor:
            return SensorReading(source_id=source, values=numbers)
        return BehaviorEvent(source_id=source, action="view", features=numbers)

    return make


def _interaction(source: str, rng: np.random.Generator) -> Event:
    # Popularity falls with the rank, as in shops: by the logarithm of a uniform number.
    item = int(_ITEMS ** rng.random())
    return Interaction(source_id=source, item=f"item-{item}", action="view")
