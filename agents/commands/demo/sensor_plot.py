"""Keep sensor readings with their scores, and plot the series with the clearest anomalies."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from schemas import AnomalyScore, SensorReading

MAX_POINTS = 100_000
#: More anomalies than this don't make a series clearer.
_ENOUGH_MARKS = 5

_LINE, _MARK, _THRESHOLD = "#0072b2", "#d55e00", "#555555"
#: Endings of channel names -> units.
_UNITS = {"_l_s": "l/s"}
_WIDTH_INCHES, _SERIES_INCHES = 9.0, 3.6
_DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True)
class ScoredReading:
    """One reading with its score."""

    values: dict[str, float]
    score: AnomalyScore


@dataclass(frozen=True)
class Series:
    """One channel of one sensor, in the order of its readings."""

    source_id: str
    channel: str
    values: list[float]
    scores: list[float]
    thresholds: list[float]
    is_anomaly: list[bool]

    @property
    def num_anomalies(self) -> int:
        """Number of readings that are marked as anomalies."""
        return sum(self.is_anomaly)


class SensorLog:
    """Keeps the latest `MAX_POINTS` readings with their scores."""

    def __init__(self) -> None:
        self._points: deque[ScoredReading] = deque(maxlen=MAX_POINTS)

    def add(self, reading: SensorReading, score: AnomalyScore) -> None:
        """Keep a reading with its score."""
        self._points.append(ScoredReading(reading.values, score))

    def series(self, max_series: int) -> list[Series]:
        """Return one channel each of the sensors with the clearest anomalies, clearest first."""
        by_source: dict[str, list[ScoredReading]] = {}
        for point in self._points:
            by_source.setdefault(point.score.source_id, []).append(point)
        ranked = sorted(by_source.values(), key=_clearness, reverse=True)
        return [_one_channel(readings) for readings in ranked[:max_series]]


def _clearness(points: Sequence[ScoredReading]) -> float:
    """Rank a series: high for a few anomalies that stand out from the rest, 0 for none."""
    anomaly_scores = [p.score.score for p in points if p.score.is_anomaly]
    if not anomaly_scores:
        return 0.0
    num_normal = len(points) - len(anomaly_scores)
    normal = sum(p.score.score for p in points if not p.score.is_anomaly) / max(num_normal, 1)
    contrast = sum(anomaly_scores) / len(anomaly_scores) - normal
    # A single mark is often the first move of a series that the model has only just learned.
    return contrast * min(len(anomaly_scores), _ENOUGH_MARKS) * (num_normal / len(points)) ** 2


def _one_channel(points: list[ScoredReading]) -> Series:
    blamed = Counter(p.score.channel for p in points if p.score.is_anomaly and p.score.channel)
    channel = blamed.most_common(1)[0][0] if blamed else next(iter(points[0].values))
    readings = [p for p in points if channel in p.values]
    return Series(
        source_id=points[0].score.source_id,
        channel=channel,
        values=[p.values[channel] for p in readings],
        scores=[p.score.score for p in readings],
        thresholds=[p.score.threshold for p in readings],
        is_anomaly=[p.score.is_anomaly for p in readings],
    )


def plot_series(series: Sequence[Series], path: Path) -> None:
    """Write a PNG with two strips per series, the readings and their scores; at least one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (_WIDTH_INCHES, _SERIES_INCHES * len(series))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)  # without pyplot, whose figures are global
    strips = figure.subplots(2 * len(series), 1, squeeze=False, height_ratios=[5, 3] * len(series))[
        :, 0
    ]
    for top, bottom, one_series in zip(strips[::2], strips[1::2], series, strict=True):
        _draw_readings(top, one_series)
        _draw_scores(bottom, one_series)
    strips[-1].set_xlabel("number of the reading")
    handles, labels = strips[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _draw_readings(axis: Any, series: Series) -> None:
    word = "anomaly" if series.num_anomalies == 1 else "anomalies"
    axis.set_title(
        f"{series.source_id}: {len(series.values):,} readings, "
        f"{series.num_anomalies} marked as {word}",
        loc="left",
        fontsize=12,
    )
    axis.set_ylabel(_with_unit(series.channel))
    axis.tick_params(labelbottom=False)
    _draw(axis, series.values, series.is_anomaly, "reading")
    axis.plot([], [], color=_THRESHOLD, linestyle="--", label="threshold")  # for the legend


def _draw_scores(axis: Any, series: Series) -> None:
    _draw(axis, series.scores, series.is_anomaly, "score")
    axis.plot(series.thresholds, color=_THRESHOLD, linewidth=1.1, linestyle="--")
    axis.set_ylim(-0.05, 1.05)
    axis.set_ylabel("score")


def _draw(axis: Any, values: list[float], is_anomaly: list[bool], label: str) -> None:
    marked = np.flatnonzero(is_anomaly)
    axis.plot(values, color=_LINE, linewidth=1.1, label=label)
    axis.scatter(marked, np.array(values)[marked], color=_MARK, s=24, zorder=3, label="anomaly")
    axis.margins(x=0.01)
    axis.grid(alpha=0.25)


def _with_unit(channel: str) -> str:
    """Return a channel's name with its unit, where the name ends with a known one."""
    for ending, unit in _UNITS.items():
        if channel.endswith(ending):
            return f"{channel.removesuffix(ending)}, {unit}"
    return channel
