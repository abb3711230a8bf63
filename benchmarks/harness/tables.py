"""Results as rows of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.harness.gpu import GpuResult
from benchmarks.harness.idle import IdleResult
from benchmarks.harness.latency import Ages
from benchmarks.harness.memory import Peak
from benchmarks.harness.metrics_overhead import MetricsOverhead
from benchmarks.harness.mix import MixResult
from benchmarks.harness.model_calls import CallsResult
from benchmarks.harness.outcomes import Outcome, summarize
from benchmarks.harness.scale import Scaled
from benchmarks.harness.startup import Medians

Table = tuple[list[str], list[list[str]]]
"""Columns and rows."""


def stream_table(outcomes: Sequence[Outcome], unavailable: Mapping[str, str]) -> Table:
    """Return the medians; a contender that can't run has a row with the reason."""
    columns = ["contender", "version", "rounds", "records/s", "lowest", "highest",
               "cpu s/million", "penstock is"]  # fmt: skip
    rows = [
        [s.contender, s.version, str(s.rounds), f"{s.median:,.0f}", f"{s.lowest:,.0f}",
         f"{s.highest:,.0f}", f"{s.cpu_seconds_per_million:.2f}",
         "" if s.ratio is None else f"{s.ratio:.2f} times"]
        for s in summarize(outcomes)
    ]  # fmt: skip
    absent = [[name, f"not available: {reason}", *[""] * 6] for name, reason in unavailable.items()]
    return columns, rows + absent


def latency_table(results: Sequence[Ages]) -> Table:
    """Return event ages in milliseconds, and batch sizes; `through`: from topic to topic."""
    columns = ["contender", "version", "arrivals", "sent/s", "p50 ms", "p99 ms", "p99.9 ms",
               "max ms", "through p50 ms", "through p99 ms", "through p99.9 ms",
               "wait + 2 steps ms",
               "mean batch", "largest"]  # fmt: skip
    return columns, [
        [a.contender, a.version, a.arrivals, f"{a.rate:,.0f}", f"{a.p50_ms:.0f}",
         f"{a.p99_ms:.0f}", f"{a.p999_ms:.0f}", f"{a.max_ms:.0f}", f"{a.through_p50_ms:.0f}",
         f"{a.through_p99_ms:.0f}", f"{a.through_p999_ms:.0f}", f"{a.bound_ms:.0f}",
         f"{a.mean_batch_size:.0f}", str(a.max_batch_size)]
        for a in results
    ]  # fmt: skip


def mix_table(results: Sequence[MixResult]) -> Table:
    """Return the ages of each agent, and the worker's use of the machine."""
    columns = ["agent", "partitions", "rate/s", "sent/s", "answered", "p50 ms", "p99 ms", "max ms",
               "worker CPU", "worker MB"]  # fmt: skip
    return columns, [
        [m.agent, str(m.partitions), f"{m.rate:,.0f}", f"{m.offered_per_second:,.1f}",
         f"{m.answered:,} of {m.records:,}", f"{m.p50_ms:.0f}", f"{m.p99_ms:.0f}",
         f"{m.max_ms:.0f}", f"{m.worker_cpu_share:.0%} of a core",
         f"{m.worker_rss_bytes / 1e6:,.0f}"]
        for m in results
    ]  # fmt: skip


def idle_table(results: Sequence[IdleResult]) -> Table:
    """Return what idle workers use."""
    return ["agents", "partitions", "start-up s", "CPU of a core", "memory MB"], [
        [str(r.agents), str(r.partitions), f"{r.startup_seconds:.1f}", f"{r.cpu_share:.1%}",
         f"{r.rss_bytes / 1e6:,.0f}"]
        for r in results
    ]  # fmt: skip


def scale_table(results: Sequence[Scaled]) -> Table:
    """Return the rate of each number of workers."""
    return ["workers", "records", "records/s", "times the first"], [
        [str(s.workers), f"{s.records:,}", f"{s.records_per_second:,.0f}", f"{s.ratio:.2f}"]
        for s in results
    ]


def memory_table(results: Sequence[Peak]) -> Table:
    """Return peaks in MB."""
    return ["records behind", "input MB", "answered meanwhile", "peak RSS MB"], [
        [f"{p.records_behind:,}", f"{p.input_bytes / 1e6:,.0f}", f"{p.answered:,}",
         f"{p.peak_rss_bytes / 1e6:,.0f}"]
        for p in results
    ]  # fmt: skip


def metrics_table(results: Sequence[MetricsOverhead]) -> Table:
    """Return CPU time per record, and the metrics' part of it."""
    columns = ["rate/s", "records", "rounds", "CPU us/record", "of it metrics", "overhead",
               "lowest", "highest"]  # fmt: skip
    return columns, [
        [f"{p.rate:,}" if p.rate else "backlog", f"{p.records:,}", str(len(p.microseconds)),
         f"{median(p.microseconds):.3f}",
         f"{median(p.metrics_microseconds):.3f}", f"{p.overhead:.1%}", f"{p.lowest:.1%}",
         f"{p.highest:.1%}"]
        for p in results
    ]  # fmt: skip


def startup_table(result: Medians) -> Table:
    """Return the phases in seconds."""
    columns = ["rounds", "models loaded s", "group joined s", "first result s", "total s",
               "lowest", "highest"]  # fmt: skip
    seconds = (result.loaded, result.joined, result.answered, result.total)
    extremes = (result.lowest, result.highest)
    return columns, [[str(result.rounds), *(f"{value:.2f}" for value in (*seconds, *extremes))]]


def gpu_table(results: Sequence[GpuResult]) -> Table:
    """Return both rates."""
    columns = ["workload", "device", "offline/s", "at batch size", "through engine/s", "ratio"]
    return columns, [
        [t.workload, t.device, f"{t.offline_per_second:,.0f}", str(t.offline_batch_size),
         f"{t.engine_per_second:,.0f}", f"{t.ratio:.3f}"]
        for t in results
    ]  # fmt: skip


def calls_table(results: Sequence[CallsResult]) -> Table:
    """Return rates and times, all in CPU time."""
    columns = ["model", "records", "calls", "cold/s", "warm/s", "call p50 ms", "p99 ms", "max ms",
               "snapshot ms", "snapshot MB"]  # fmt: skip
    return columns, [
        [r.model, f"{r.records:,}", f"{r.calls:,}", f"{r.cold_per_second:,.0f}",
         f"{r.warm_per_second:,.0f}", f"{r.p50_ms:.2f}", f"{r.p99_ms:.1f}", f"{r.max_ms:.1f}",
         f"{r.snapshot_ms:.1f}", f"{r.snapshot_bytes / 1e6:,.1f}"]
        for r in results
    ]  # fmt: skip
