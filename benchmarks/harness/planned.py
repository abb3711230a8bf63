"""`penstock bench plan`: what the simulation of `penstock plan` predicts, beside what is measured.

Workload `d`, whose stub sleeps a known time a batch and an event, on one worker, under Poisson
arrivals. The ages are those of `penstock bench latency`, from topic to topic.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.commands.plan.simulation import Outcome, Service, World, partition_shares, simulate
from agents.commands.plan.speeds import ENGINE_EVENT_SECONDS
from benchmarks.harness.latency import (
    BATCH_SECONDS,
    ITEM_SECONDS,
    MAX_BATCH_SIZE,
    measure_ages,
)
from benchmarks.harness.running import PreparedContender
from benchmarks.harness.tables import Table

_PARTITIONS = 4
#: As `penstock plan` counts: the way of a record comes to the model's time.
SERVICE = Service(
    batch_seconds=BATCH_SECONDS,
    event_seconds=ITEM_SECONDS + ENGINE_EVENT_SECONDS,
    max_batch_size=MAX_BATCH_SIZE,
)


class Comparison(msgspec.Struct, frozen=True):
    """One rate, predicted and measured. `--json` prints these."""

    share: float
    """Of the stub's highest rate."""
    rate: float
    predicted_p50_ms: float
    measured_p50_ms: float
    predicted_p99_ms: float
    measured_p99_ms: float
    predicted_batch: float
    measured_batch: float


def compare(servers: str, prepared: PreparedContender, share: float, seconds: float) -> Comparison:
    """Send at a share of the stub's highest rate, and simulate the same.

    Raises:
        RunError: the worker ended, or did not keep up.
    """
    measured = measure_ages(servers, "penstock", prepared, "poisson", share, seconds)
    predicted = predict(measured.rate, seconds)
    return Comparison(
        share=share,
        rate=measured.rate,
        predicted_p50_ms=1000 * predicted.p50_seconds,
        measured_p50_ms=measured.through_p50_ms,
        predicted_p99_ms=1000 * predicted.p99_seconds,
        measured_p99_ms=measured.through_p99_ms,
        predicted_batch=predicted.mean_batch_size,
        measured_batch=measured.mean_batch_size,
    )


def predict(rate: float, seconds: float) -> Outcome:
    """Simulate one worker with the stub."""
    shares = partition_shares(_PARTITIONS, 0, 0.0).tolist()
    return simulate(World(rate=rate, shares=shares, workers=1, service=SERVICE, seconds=seconds))


def plan_table(rows: Sequence[Comparison]) -> Table:
    """Return predictions and measurements side by side."""
    columns = ["share", "sent/s", "p50 ms predicted", "measured", "p99 ms predicted", "measured",
               "mean batch predicted", "measured"]  # fmt: skip
    return columns, [
        [f"{r.share:.0%}", f"{r.rate:,.0f}", f"{r.predicted_p50_ms:.0f}",
         f"{r.measured_p50_ms:.0f}", f"{r.predicted_p99_ms:.0f}", f"{r.measured_p99_ms:.0f}",
         f"{r.predicted_batch:.0f}", f"{r.measured_batch:.0f}"]
        for r in rows
    ]  # fmt: skip
