"""A picture of sensor series: the readings with their anomalies marked, and the scores below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.commands.demo.series import Series

_LINE, _MARK, _CUT = "#0072b2", "#d55e00", "#777777"
_WIDTH_INCHES, _SERIES_INCHES = 13.0, 3.6
_DOTS_PER_INCH = 110


def plot_series(series: Sequence[Series], path: Path, title: str) -> None:
    """Write a PNG with two strips a series; at least one series."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(_WIDTH_INCHES, _SERIES_INCHES * len(series) + 0.8), layout="constrained"
    )
    FigureCanvasAgg(figure)  # its own canvas: no pyplot, whose figures are global
    ratios = [3, 1] * len(series)
    axes = figure.subplots(2 * len(series), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for index, one in enumerate(series):
        _draw(axes[2 * index], axes[2 * index + 1], one)
    axes[-1].set_xlabel("reading, in the order of the series")
    figure.suptitle(title)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def _draw(top: Any, bottom: Any, one: Series) -> None:
    values, scores = np.array(one.values), np.array(one.scores)
    numbers, marked = np.arange(len(values)), np.array(one.is_anomaly, dtype=bool)
    top.plot(numbers, values, color=_LINE, linewidth=0.9)
    top.scatter(numbers[marked], values[marked], color=_MARK, s=26, zorder=3)
    top.set_title(_heading(one), loc="left", fontsize=10)
    bottom.plot(numbers, scores, color=_LINE, linewidth=0.9)
    bottom.plot(numbers, one.thresholds, color=_CUT, linewidth=0.9, linestyle="--")
    bottom.scatter(numbers[marked], scores[marked], color=_MARK, s=10, zorder=3)
    bottom.set_ylim(-0.02, 1.05)
    bottom.set_ylabel("score, cut")
    for axis in (top, bottom):
        axis.margins(x=0.01)
        axis.grid(alpha=0.25)


def _heading(one: Series) -> str:
    word = "anomaly" if one.num_anomalies == 1 else "anomalies"
    return (
        f"{one.source_id}: {one.channel}, {len(one.values):,} readings, "
        f"{one.num_anomalies} of them marked as {word}"
    )
