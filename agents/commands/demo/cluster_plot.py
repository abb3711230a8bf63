"""A picture of clusters as they moved: events by their cluster, and the way of each centre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agents.commands.demo.cluster_log import ClusterStory, Trail
from agents.commands.demo.projection import Floats, Projection, fit_projection

_INCHES = (12.0, 8.0)
_DOTS_PER_INCH = 110
#: Outliers beyond these percentiles would press everything else into a corner.
_VIEW_PERCENTILES = (1.0, 99.0)
_UNFORMED, _GONE = "#bbbbbb", "#777777"


def plot_clusters(story: ClusterStory, path: Path, title: str) -> None:
    """Write a PNG of one partition's story."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    FigureCanvasAgg(figure)  # its own canvas: no pyplot, whose figures are global
    axis = figure.subplots()
    project = fit_projection(story.points)
    points = project(story.points)
    _draw_events(axis, points, story)
    heaviest = max((trail.weight for trail in story.trails), default=1.0)
    for rank, trail in enumerate(trail for trail in story.trails if trail.is_alive):
        _draw_trail(axis, project, trail, trail.weight / max(heaviest, 1e-12), color_of(rank))
    _finish(axis, project, points, story)
    figure.legend(loc="outside right upper", fontsize=8, markerscale=0.6)
    figure.suptitle(title)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def color_of(rank: int) -> Any:
    """Return the colour of a cluster by its place among those alive; the twenty-first repeats."""
    from matplotlib import colormaps

    # The palette pairs a strong shade with a pale one: the ten strong ones come first.
    return colormaps["tab20"]((rank * 2) % 20 + (rank // 10) % 2)


def _draw_events(axis: Any, points: Floats, story: ClusterStory) -> None:
    alive = [trail.cluster_id for trail in story.trails if trail.is_alive]
    for rank, cluster_id in enumerate(alive):
        _scatter(axis, points[story.cluster_ids == cluster_id], color_of(rank), "")
    unformed = story.cluster_ids < 0
    gone = ~unformed & ~np.isin(story.cluster_ids, alive)
    _scatter(axis, points[unformed], _UNFORMED, "before clusters formed")
    _scatter(axis, points[gone], _GONE, "of clusters that are gone")


def _scatter(axis: Any, points: Floats, color: Any, what: str) -> None:
    label = f"{len(points):,} events {what}" if what and len(points) else None
    axis.scatter(
        points[:, 0], points[:, 1], s=12, alpha=0.45, linewidths=0, color=color, label=label
    )


def _draw_trail(axis: Any, project: Projection, trail: Trail, share: float, color: Any) -> None:
    way = project(trail.centers)
    axis.plot(way[:, 0], way[:, 1], color="white", linewidth=3.2, zorder=3)
    axis.plot(way[:, 0], way[:, 1], color=color, linewidth=1.8, zorder=4)
    axis.scatter(*way[0], marker="o", s=26, facecolor="white", edgecolor=color, zorder=5)
    axis.scatter(
        *way[-1], marker="X", s=80 + 220 * share, color=color, edgecolor="black", zorder=6,
        label=f"cluster {trail.cluster_id}, weight {trail.weight:,.0f}",
    )  # fmt: skip


def _finish(axis: Any, project: Projection, points: Floats, story: ClusterStory) -> None:
    lows, highs = np.percentile(points, _VIEW_PERCENTILES, axis=0)
    margin = 0.1 * (highs - lows) + 1e-9
    axis.set_xlim(lows[0] - margin[0], highs[0] + margin[0])
    axis.set_ylim(lows[1] - margin[1], highs[1] + margin[1])
    for name, share, label in zip("xy", project.explained, ("first", "second"), strict=True):
        text = f"{label} principal component ({share:.0%} of the variance)"
        getattr(axis, f"set_{name}label")(text)
    axis.set_title(
        f"partition {story.partition}: {len(points):,} events by their cluster; "
        "centres from where they began (o) to where they ended (X)",
        fontsize=10,
    )
    axis.grid(alpha=0.25)
