"""A picture of clusters as they moved: events by their cluster, and the way of each centre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agents.demo.cluster_log import ClusterStory, Trail
from agents.demo.projection import Floats, Projection, fit_projection

_INCHES = (10.0, 8.0)
_DOTS_PER_INCH = 110
#: Outliers beyond these percentiles would press everything else into a corner.
_VIEW_PERCENTILES = (1.0, 99.0)
_UNASSIGNED = "#bbbbbb"


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
    for trail in story.trails:
        _draw_trail(axis, project, trail, trail.weight / max(heaviest, 1e-12))
    _finish(axis, project, points, story)
    figure.suptitle(title)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def color_of(cluster_id: int) -> Any:
    """Return a cluster's colour; the twentieth after has the same one."""
    from matplotlib import colormaps

    if cluster_id < 0:
        return _UNASSIGNED
    palette = colormaps["tab20"]
    # The palette pairs a strong shade with a pale one: the ten strong ones come first.
    return palette((cluster_id * 2) % 20 + (cluster_id // 10) % 2)


def _draw_events(axis: Any, points: Floats, story: ClusterStory) -> None:
    known = {trail.cluster_id for trail in story.trails}
    for cluster_id in np.unique(story.cluster_ids).tolist():
        own = points[story.cluster_ids == cluster_id]
        kwargs = {"s": 12, "alpha": 0.45, "linewidths": 0, "color": color_of(cluster_id)}
        label = None if cluster_id in known else _event_label(cluster_id, len(own))
        axis.scatter(own[:, 0], own[:, 1], label=label, **kwargs)


def _event_label(cluster_id: int, num_events: int) -> str:
    name = "no cluster yet" if cluster_id < 0 else f"cluster {cluster_id}, gone"
    return f"{name}: {num_events} events"


def _draw_trail(axis: Any, project: Projection, trail: Trail, share: float) -> None:
    way, color = project(trail.centers), color_of(trail.cluster_id)
    axis.plot(way[:, 0], way[:, 1], color="white", linewidth=3.2, zorder=3)
    axis.plot(way[:, 0], way[:, 1], color=color, linewidth=1.8, zorder=4)
    axis.scatter(*way[0], marker="o", s=26, facecolor="white", edgecolor=color, zorder=5)
    axis.scatter(
        *way[-1], marker="X", s=80 + 220 * share, color=color, edgecolor="black", zorder=6,
        label=f"cluster {trail.cluster_id}, weight {trail.weight:.0f}",
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
    axis.legend(loc="best", fontsize=8, markerscale=0.5)
    axis.grid(alpha=0.25)
