"""Draw results as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.errors import UserError
from benchmarks.harness.outcomes import Summary


def draw_medians(summaries: Sequence[Summary], title: str, path: Path) -> None:
    """Draw a bar for each contender, with its lowest and highest round, on a logarithmic scale.

    Args:
        summaries: of the verified rounds.
        title: above the plot.
        path: its suffix is the format, such as `.png` or `.svg`.

    Raises:
        UserError: there is nothing to draw, or the file can't be written.
    """
    save(_figure(summaries, title) if summaries else None, path)


def save(figure: Any, path: Path) -> None:
    """Write a figure into a file.

    Args:
        figure: of matplotlib; None if there is nothing to draw.
        path: its suffix is the format, such as `.png` or `.svg`.

    Raises:
        UserError: there is nothing to draw, or the file can't be written.
    """
    if figure is None:
        raise UserError(f"nothing to draw in {path}: no run was verified")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # ValueError: no such format
        raise UserError(f"can't draw {path}: {error}") from error


def _figure(summaries: Sequence[Summary], title: str) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.5 * len(summaries) + 1.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    medians = [s.median for s in summaries]
    spread = [[s.median - s.lowest for s in summaries], [s.highest - s.median for s in summaries]]
    names = [f"{s.contender} {s.version}" for s in summaries]
    axes.barh(names, medians, xerr=spread, color="#4477aa", capsize=3)
    axes.set(xscale="log", xlabel="records a second, median of the rounds (log scale)", title=title)
    axes.invert_yaxis()
    return figure
