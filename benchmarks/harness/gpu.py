"""`penstock bench gpu`: the engine's rate beside the rate of the same model without the engine.

The offline rate is that of the device alone at its best batch size: batches are prepared
beforehand and predicted one after the other. No engine can exceed it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec

from agents.pipeline.user_code import load_class
from benchmarks.harness import BENCHMARKS
from benchmarks.harness.inputs import Input
from schemas import TextMessage, VideoFrame

_MODELS = {"b": "workloads.penstock_models:Detect", "c": "workloads.penstock_models:Encode"}
BATCH_SIZES = (8, 16, 32, 64, 128, 256)
_WARM_UP_CALLS = 3


class GpuResult(msgspec.Struct, frozen=True):
    """The engine's rate and its ratio to the rate of its model alone."""

    workload: str
    device: str
    offline_batch_size: int
    offline_per_second: float
    """Items."""
    engine_per_second: float
    ratio: float


def offline_rate(
    workload: str,
    source: Input,
    device: str,
    seconds: float = 2.0,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> tuple[int, float]:
    """Return the model's best batch size and its items a second at that size.

    Args:
        workload: `b` or `c`.
        source: of at least as many records as the largest batch.
        device: to load onto: `cpu`, `cuda:0`.
        seconds: to measure each batch size.
        batch_sizes: to try, rising.
    """
    model = load_class(_MODELS[workload], BENCHMARKS)()
    model.load(device)
    records = islice(source.records(), batch_sizes[-1])
    events = [_event(workload, record.value) for record in records]
    rates = {size: _rate(model, events[:size], seconds) for size in batch_sizes}
    best = max(rates, key=rates.__getitem__)
    return best, rates[best]


def _event(workload: str, value: bytes) -> Any:
    if workload == "b":
        return VideoFrame(image=value)
    return msgspec.json.decode(value, type=TextMessage)


def _rate(model: Any, events: Sequence[Any], at_least: float) -> float:
    prepared = model.prepare_batch(events)
    for _ in range(_WARM_UP_CALLS):
        model.predict_prepared(prepared)
    calls, started = 0, time.monotonic()
    while (seconds := time.monotonic() - started) < at_least:
        model.predict_prepared(prepared)
        calls += 1
    return calls * len(events) / seconds
