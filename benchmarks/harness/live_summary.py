"""The results of `bench live` over their rounds: medians, sustained rates, a table and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.harness.ages import SUSTAINED_P99_MS, sustained_rate
from benchmarks.harness.live_run import LiveResult
from benchmarks.harness.plot import save
from benchmarks.harness.tables import Table


class LiveSummary(NamedTuple):
    """Medians over the rounds of one contender at one rate; `max_ms` is the highest of all."""

    contender: str
    version: str
    model: str
    partitions: int
    linger_ms: int
    rate: int
    offered_per_second: float
    append_late_p99_ms: float
    records_per_request: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_us_per_record: float
    rounds: int
    records: int
    answered: int
    is_sustained: bool
    """In more than half of the rounds the load was offered and all of it answered rightly."""
    fault: str


def summarize_live(results: Sequence[LiveResult]) -> list[LiveSummary]:
    """Return a summary of each contender, number of partitions, linger and rate."""

    def place(result: LiveResult) -> tuple[Any, ...]:
        return (result.linger_ms, result.partitions, result.contender, result.rate)

    order = {name: n for n, name in enumerate(dict.fromkeys(r.contender for r in results))}
    ordered = sorted(results, key=lambda r: (*place(r)[:2], order[r.contender], r.rate))
    return [_summary(list(rounds)) for _, rounds in groupby(ordered, key=place)]


def _summary(rounds: Sequence[LiveResult]) -> LiveSummary:
    first = rounds[0]
    return LiveSummary(
        first.contender,
        first.version,
        first.model,
        first.partitions,
        first.linger_ms,
        first.rate,
        median(r.offered_per_second for r in rounds),
        median(r.append_late_p99_ms for r in rounds),
        median(r.sender.records_per_request for r in rounds),
        median(r.p50_ms for r in rounds),
        median(r.p99_ms for r in rounds),
        max(r.max_ms for r in rounds),
        median(r.cpu_us_per_record for r in rounds),
        len(rounds),
        sum(r.records for r in rounds),
        sum(r.answered for r in rounds),
        sum(r.is_sustained for r in rounds) > len(rounds) / 2,
        next((r.fault for r in rounds if r.fault), ""),
    )


def live_table(summaries: Sequence[LiveSummary], unavailable: Mapping[str, str]) -> Table:
    """Return the medians; ages of a contender that fell behind are of what it answered."""
    columns = ["contender", "version", "partitions", "linger ms", "rate/s", "sent/s",
               "sent late p99 ms", "records/request", "p50 ms", "p99 ms", "max ms",
               "CPU us/record", "remark"]  # fmt: skip
    rows = [
        [s.contender, s.version, str(s.partitions), str(s.linger_ms), f"{s.rate:,}",
         f"{s.offered_per_second:,.0f}", f"{s.append_late_p99_ms:.0f}",
         f"{s.records_per_request:.1f}", f"{s.p50_ms:.0f}", f"{s.p99_ms:.0f}", f"{s.max_ms:.0f}",
         f"{s.cpu_us_per_record:,.0f}", _remark(s)]
        for s in summaries
    ]  # fmt: skip
    absent = [[name, f"not available: {why}", *[""] * 11] for name, why in unavailable.items()]
    return columns, rows + absent


def _remark(summary: LiveSummary) -> str:
    if summary.fault:
        return f"wrong: {summary.fault}"
    if summary.answered < summary.records:
        return f"fell behind: {summary.answered:,} of {summary.records:,} answered"
    if not summary.is_sustained:
        return "the load was not offered"
    is_late = summary.append_late_p99_ms > SUSTAINED_P99_MS
    return "the load came late: the machine is busy" if is_late else ""


def sustained(summaries: Sequence[LiveSummary]) -> list[str]:
    """Return a line for each contender, number of partitions and linger: what rate it sustains."""
    lines = []
    for (contender, partitions, linger_ms), rows in _series(summaries).items():
        points = [(float(s.rate), s.p99_ms if s.is_sustained else None) for s in rows]
        best = sustained_rate(points)
        rate = "none of the rates" if best is None else f"{best:,.0f}/s"
        lines.append(
            f"{contender}, {partitions} partitions, linger {linger_ms} ms: "
            f"sustains {rate} with p99 under {SUSTAINED_P99_MS:g} ms"
        )
    return lines


def draw_ages(summaries: Sequence[LiveSummary], path: Path) -> None:
    """Draw the p99 age over the rate, a panel for each number of partitions and linger.

    Args:
        summaries: of all runs.
        path: its suffix is the format, such as `.png` or `.svg`.

    Raises:
        UserError: there is nothing to draw, or the file can't be written.
    """
    save(_figure(summaries) if summaries else None, path)


def _figure(summaries: Sequence[LiveSummary]) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = list(dict.fromkeys((s.partitions, s.linger_ms) for s in summaries))
    names = list(dict.fromkeys(s.contender for s in summaries))
    figure = Figure(figsize=(4.5 * len(panels) + 1.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(all_axes, panels, strict=True):
        for (contender, *place), rows in _series(summaries).items():
            if tuple(place) == panel:
                _draw_series(axes, rows, f"C{names.index(contender)}")
        axes.axhline(SUSTAINED_P99_MS, color="#999999", linewidth=0.8, linestyle=":")
        rates = sorted({s.rate for s in summaries})
        axes.set(xscale="log", yscale="log", xlabel="records a second",
                 title="{} partitions, producers' linger {} ms".format(*panel))  # fmt: skip
        axes.set_xticks(rates, [f"{rate:,}" for rate in rates])
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter("{x:,g}")
    all_axes[0].set_ylabel("age from topic to topic, p99, ms")
    all_axes[-1].legend(fontsize="small", title="x: fell behind", title_fontsize="small")
    return figure


def _draw_series(axes: Any, rows: Sequence[LiveSummary], color: str) -> None:
    """Draw a line, and a cross where the contender fell behind."""
    ages = [max(s.p99_ms, 1.0) for s in rows]
    axes.plot([s.rate for s in rows], ages, marker="o", color=color, label=rows[0].contender)
    behind = [(s.rate, age) for s, age in zip(rows, ages, strict=True) if not s.is_sustained]
    if behind:
        axes.plot(*zip(*behind, strict=True), "x", color=color, markersize=12)


def _series(
    summaries: Sequence[LiveSummary],
) -> dict[tuple[str, int, int], list[LiveSummary]]:
    """Return the summaries by contender, partitions and linger; rates stay in their order."""
    series: dict[tuple[str, int, int], list[LiveSummary]] = {}
    for summary in summaries:
        place = (summary.contender, summary.partitions, summary.linger_ms)
        series.setdefault(place, []).append(summary)
    return series
