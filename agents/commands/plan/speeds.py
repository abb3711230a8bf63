"""How fast an agent's model is: measured here and now, from a file, or from a worker's metrics."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agents.commands.plan.simulation import Service
from agents.errors import UserError
from agents.pipeline.parts import AgentParts, choose_devices, load_agent
from models.base import OnlineModel
from schemas import Event
from streams.batching import Chunk, MicroBatch
from streams.online import OnlineRunner
from streams.records import RecordBatch, TopicPartition
from streams.settings import AgentSettings, PipelineSettings
from streams.span import Span

#: Of the way of a record through a busy worker, without the model: the CPU time a record of
#: `penstock bench live` at its highest rate (the table in README.md).
ENGINE_EVENT_SECONDS = 15e-6
_MEASURED_SECONDS = 1.0
_MIN_CALLS = 5
#: Keys and partitions that a model that learns is measured with.
_KEYS, _PARTITIONS = 2_000, 4


class AgentSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's speed on one kind of machine; what `--speeds` reads and `--json` prints."""

    agent: str
    model: str
    device: str = "cpu"
    batch_seconds: float
    """Of a call, whatever its size."""
    event_seconds: float
    """Of each event in a call."""
    max_batch_size: int
    engine_event_seconds: float = ENGINE_EVENT_SECONDS
    """Of each event, on its way through the worker; 0 where `event_seconds` has it already."""
    bytes_per_key: float = 0.0
    """Of learned state, as it is stored."""
    process_bytes: int = 0
    """Of a worker process with the model loaded."""

    @property
    def service(self) -> Service:
        """What the simulation needs of it. Model and way add up: workers share their cores."""
        return Service(
            batch_seconds=self.batch_seconds,
            event_seconds=self.event_seconds + self.engine_event_seconds,
            max_batch_size=self.max_batch_size,
        )


def read_speeds(path: Path) -> list[AgentSpeed]:
    """Read a list of speeds, or the plan that holds one.

    Raises:
        UserError: the file is not that.
    """
    try:
        found = msgspec.json.decode(path.read_bytes())
        listed = found["speeds"] if isinstance(found, dict) else found
        speeds = msgspec.convert(listed, list[AgentSpeed])
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: expected a list of speeds, or what `penstock plan --json` prints: {error}"
        ) from error
    for speed in speeds:
        numbers = (speed.batch_seconds, speed.event_seconds, speed.engine_event_seconds)
        if min(numbers) < 0 or sum(numbers) <= 0 or speed.max_batch_size < 1:
            raise UserError(f"{path}: {speed.agent}: expected times above 0 and a batch size")
    return speeds


def speeds_of_metrics(
    url: str, settings: PipelineSettings, names: Sequence[str]
) -> list[AgentSpeed]:
    """Return the true rates of a running worker: events answered per busy second.

    Raises:
        UserError: nothing answers, or the worker has answered too little.
    """
    import httpx
    from prometheus_client.parser import text_string_to_metric_families

    try:
        text = httpx.get(url, timeout=10.0, trust_env=False).raise_for_status().text
    except httpx.HTTPError as error:
        raise UserError(f"--metrics {url}: {error}") from error
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def total(name: str, **labels: str) -> float:
        wanted = labels.items()
        return sum(s.value for s in samples if s.name == name and wanted <= s.labels.items())

    speeds = []
    for name in names:
        agent = settings.agents[name]
        busy = total("penstock_busy_seconds_total", agent=name)
        answered = total("penstock_records_total", agent=name, outcome="answered")
        if busy < _MEASURED_SECONDS or answered < 1:
            raise UserError(
                f"--metrics {url}: {name} was busy for {busy:.1f} s and answered {answered:.0f} "
                "records: too little to plan by"
            )
        speeds.append(AgentSpeed(
            agent=name, model=agent.model_name, batch_seconds=0.0, event_seconds=busy / answered,
            max_batch_size=agent.batch.max_batch_size, engine_event_seconds=0.0,
            process_bytes=int(total("process_resident_memory_bytes")),
        ))  # fmt: skip
    return speeds


def measure_agent(name: str, settings: AgentSettings, base_dir: Path) -> AgentSpeed:
    """Load an agent's model and time its calls; seconds.

    Raises:
        ModelError: the model can't be made or loaded.
    """
    parts = load_agent(settings, base_dir)
    device = choose_devices(settings.device, parts.model_type)[0]
    limit = settings.batch.max_batch_size
    small = max(limit // 16, 1)
    per_key = 0.0
    if issubclass(parts.model_type, OnlineModel):
        times, per_key = _time_online(parts, device, (small, limit))
    else:
        times = _time_batches(parts, device, (small, limit))
    fitted = fit({small: times[0], limit: times[1]})
    return AgentSpeed(
        agent=name,
        model=settings.model_name,
        device=device,
        batch_seconds=fitted[0],
        event_seconds=fitted[1],
        max_batch_size=limit,
        bytes_per_key=per_key,
        process_bytes=_resident_bytes(),
    )


def fit(times: dict[int, float]) -> tuple[float, float]:
    """Return (seconds a call, seconds an event) that explain the times of the batch sizes.

    Neither is negative: if the larger batch is not slower, all is the call's; if a line would begin
    below 0, all is the events'.
    """
    (small, short), (large, long) = min(times.items()), max(times.items())
    if large == small:
        return long, 0.0
    event = max((long - short) / (large - small), 0.0)
    call = max(long - event * large, 0.0)
    return (call, event) if call > 0 else (0.0, long / large)


def _time_batches(parts: AgentParts, device: str, sizes: tuple[int, int]) -> list[float]:
    """Return the lower quartile of the wall-clock times: other programs only add to them."""
    model = parts.make_model()
    model.load(device)
    model.warm_up()
    events = _events(parts.event_type)
    try:
        return [
            _repeat(lambda: model.predict_batch([next(events) for _ in range(size)]))  # noqa: B023
            for size in sizes
        ]
    finally:
        model.close()


def _repeat(call: Callable[[], object]) -> float:
    call()
    times: list[float] = []
    ends = time.perf_counter() + _MEASURED_SECONDS
    while len(times) < _MIN_CALLS or time.perf_counter() < ends:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return float(np.quantile(times, 0.25))


def _time_online(
    parts: AgentParts, device: str, sizes: tuple[int, int]
) -> tuple[list[float], float]:
    """Return the mean CPU times of calls, learning included, and the bytes of state for a key."""
    runner = OnlineRunner(parts.make_model, device)
    events, offsets = _events(parts.event_type), [0] * _PARTITIONS
    for _ in range(max(_KEYS * 2 // sizes[1], 2)):
        runner.answer(_micro_batch(events, sizes[1], offsets))
    times = []
    for size in sizes:
        calls, spent = 0, 0.0
        while spent < _MEASURED_SECONDS or calls < _MIN_CALLS:
            batch = _micro_batch(events, size, offsets)
            started = time.process_time()
            runner.answer(batch)
            spent += time.process_time() - started
            calls += 1
        times.append(spent / calls)
    learned = [runner.learned(TopicPartition("plan", p)) for p in range(_PARTITIONS)]
    runner.close()
    return times, sum(len(found.state) for found in learned if found is not None) / _KEYS


def _events(event_type: type[Event]) -> Iterator[Any]:
    """Yield the type's example again and again, of `_KEYS` keys in turn."""
    example = event_type.example()
    while True:
        for key in range(_KEYS):
            yield msgspec.structs.replace(example, source_id=f"source-{key}")


def _micro_batch(events: Iterator[Any], size: int, offsets: list[int]) -> MicroBatch[Any]:
    rows: dict[int, list[Any]] = {}
    for _ in range(size):
        event = next(events)
        rows.setdefault(int(event.source_id[7:]) % len(offsets), []).append(event)
    chunks = []
    for partition, part in sorted(rows.items()):
        count, first = len(part), offsets[partition]
        offsets[partition] += count
        tp = TopicPartition("plan", partition)
        none: list[None] = [None] * count
        span = Span(tp, range(first, first + count), 0)
        batch = RecordBatch(tp, span, [0] * count, none, none, [()] * count, 0.0)
        chunks.append(Chunk(batch, range(count), part))
    return MicroBatch(chunks, 0.0)


def _resident_bytes() -> int:
    """Return the most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
