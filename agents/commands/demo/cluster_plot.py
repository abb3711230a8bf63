"""Keep behavior events with their clusters, and plot how the cluster centers moved."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import BehaviorEvent, ClusterAssignment, ClusterUpdate

MAX_ASSIGNED = 20_000
MAX_UPDATES = 5_000

_INCHES = (9.0, 5.6)
_DOTS_PER_INCH = 110
#: Outliers beyond these percentiles would squeeze the other events into a corner.
_VIEW_PERCENTILES = (1.0, 99.0)
#: Values further from the mean than this many deviations don't determine the axes.
_MAX_DEVIATIONS = 3.0
_NO_CLUSTER, _FORMER_CLUSTER = "#bbbbbb", "#777777"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trail:
    """The positions of one cluster's center, in the order of its learning steps."""

    cluster_id: int
    centers: Floats
    """(steps, features)."""
    weight: float
    """At the last step of the cluster."""
    is_alive: bool
    """Whether the cluster existed at the end; one without events is replaced by a new one."""


@dataclass(frozen=True)
class ClusterStory:
    """The clusters of one partition: each partition has a separate model."""

    partition: int
    features: tuple[str, ...]
    points: Floats
    """(events, features), in order."""
    cluster_ids: NDArray[np.int64]
    """(events,); -1 for an event before the clusters formed."""
    trails: list[Trail]


class ClusterLog:
    """Keeps the latest assignments with their events, and the latest updates."""

    def __init__(self) -> None:
        self._assigned: deque[tuple[int, int, dict[str, float]]] = deque(maxlen=MAX_ASSIGNED)
        self._updates: deque[ClusterUpdate] = deque(maxlen=MAX_UPDATES)

    def add(self, event: BehaviorEvent, assignment: ClusterAssignment) -> None:
        """Keep an event with its cluster."""
        row = (assignment.origin.partition, assignment.cluster_id, event.features)
        self._assigned.append(row)

    def add_update(self, update: ClusterUpdate) -> None:
        """Keep an update, which holds the centers after a learning step."""
        self._updates.append(update)

    def story(self) -> ClusterStory | None:
        """Return the clusters of the busiest partition and feature set; None without events."""
        groups = Counter((partition, tuple(sorted(f))) for partition, _, f in self._assigned)
        if not groups:
            return None
        (partition, names), _ = groups.most_common(1)[0]
        rows = [
            (cluster_id, [features[name] for name in names])
            for p, cluster_id, features in self._assigned
            if p == partition and features.keys() == set(names)
        ]
        return ClusterStory(
            partition=partition,
            features=names,
            points=np.array([row for _, row in rows], dtype=np.float64),
            cluster_ids=np.array([cluster_id for cluster_id, _ in rows], dtype=np.int64),
            trails=_trails([u for u in self._updates if u.partition == partition], names),
        )


def _trails(updates: list[ClusterUpdate], names: tuple[str, ...]) -> list[Trail]:
    centers: dict[int, list[list[float]]] = {}
    last: dict[int, tuple[int, float]] = {}
    updates.sort(key=lambda update: update.sequence)
    for update in updates:
        for cluster in update.clusters:
            if all(name in cluster.center for name in names):
                row = [cluster.center[name] for name in names]
                centers.setdefault(cluster.cluster_id, []).append(row)
                last[cluster.cluster_id] = update.sequence, cluster.weight
    return [
        Trail(
            cluster_id,
            np.array(rows, dtype=np.float64),
            weight=last[cluster_id][1],
            is_alive=last[cluster_id][0] == updates[-1].sequence,
        )
        for cluster_id, rows in sorted(centers.items())
    ]


class Projection:
    """Projects features onto the two principal components of some events.

    Args:
        points: (n, features), n >= 1.
    """

    def __init__(self, points: Floats) -> None:
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import StandardScaler

        self._scaler = StandardScaler().fit(points)
        scaled = np.clip(self._scaler.transform(points), -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
        self._pca = PCA(n_components=min(2, *points.shape), svd_solver="full")
        with np.errstate(invalid="ignore"):  # one event, or equal ones: there is no variance
            self._pca.fit(scaled)

    @property
    def explained(self) -> Floats:
        """(2,) share of the variance along each axis, in [0, 1]."""
        ratios = np.nan_to_num(self._pca.explained_variance_ratio_)
        return np.pad(ratios, (0, 2 - len(ratios)))

    def __call__(self, points: Floats) -> Floats:
        """Return (n, 2) for (n, features)."""
        projected: Floats = self._pca.transform(self._scaler.transform(points))
        return np.pad(projected, ((0, 0), (0, 2 - projected.shape[1])))


def plot_clusters(story: ClusterStory, path: Path) -> None:
    """Write a PNG of one partition's clusters."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    FigureCanvasAgg(figure)  # without pyplot, whose figures are global
    axis = figure.subplots()
    project = Projection(story.points)
    points = project(story.points)
    living = [trail for trail in story.trails if trail.is_alive]
    legend = _draw_events(axis, points, story, [trail.cluster_id for trail in living])
    for rank, trail in enumerate(living):
        _draw_trail(axis, project(trail.centers), color_of(rank))
    legend += [_marker("o", "white", "a center at its first step")] if living else []
    legend += [
        _marker("X", color_of(rank), f"cluster {trail.cluster_id}, weight {trail.weight:,.0f}")
        for rank, trail in enumerate(living)
    ]
    _finish(axis, project, points)
    figure.legend(handles=legend, loc="outside right upper", fontsize=10, frameon=False)
    figure.savefig(path, dpi=_DOTS_PER_INCH)


def color_of(rank: int) -> Any:
    """Return the color of the n-th living cluster; the twenty-first repeats the first."""
    from matplotlib import colormaps

    # The palette pairs a strong shade with a pale one: use the ten strong ones first.
    return colormaps["tab20"]((rank * 2) % 20 + (rank // 10) % 2)


def _draw_events(axis: Any, points: Floats, story: ClusterStory, living: list[int]) -> list[Any]:
    """Draw each event in its cluster's color; return the legend of those without one."""
    for rank, cluster_id in enumerate(living):
        _scatter(axis, points[story.cluster_ids == cluster_id], color_of(rank))
    is_early = story.cluster_ids < 0
    is_former = ~is_early & ~np.isin(story.cluster_ids, living)
    legend = []
    for is_drawn, color, what in (
        (is_early, _NO_CLUSTER, "before clusters formed"),
        (is_former, _FORMER_CLUSTER, "of former clusters"),
    ):
        _scatter(axis, points[is_drawn], color)
        if is_drawn.any():
            legend.append(_marker(".", color, f"{is_drawn.sum():,} events {what}"))
    return legend


def _scatter(axis: Any, points: Floats, color: Any) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=9, alpha=0.4, linewidths=0, color=color)


def _draw_trail(axis: Any, path: Floats, color: Any) -> None:
    axis.plot(path[:, 0], path[:, 1], color="white", linewidth=4.5, zorder=3)
    axis.plot(path[:, 0], path[:, 1], color=color, linewidth=2.5, zorder=4)
    axis.scatter(*path[0], marker="o", s=45, facecolor="white", edgecolor="black", zorder=5)
    axis.scatter(*path[-1], marker="X", s=150, color=color, edgecolor="black", zorder=6)


def _marker(marker: str, color: Any, label: str) -> Any:
    """Return a legend entry."""
    from matplotlib.lines import Line2D

    edge = color if marker == "." else "black"
    return Line2D(
        [], [], linestyle="", marker=marker, markersize=9, color=color, markeredgecolor=edge,
        label=label,
    )  # fmt: skip


def _finish(axis: Any, project: Projection, points: Floats) -> None:
    lows, highs = np.percentile(points, _VIEW_PERCENTILES, axis=0)
    margin = 0.1 * (highs - lows) + 1e-9
    axis.set_xlim(lows[0] - margin[0], highs[0] + margin[0])
    axis.set_ylim(lows[1] - margin[1], highs[1] + margin[1])
    for name, share, which in zip("xy", project.explained, ("first", "second"), strict=True):
        text = f"{which} principal component ({share:.0%} of the variance)"
        getattr(axis, f"set_{name}label")(text)
    axis.set_title(
        f"{len(points):,} behavior events by cluster, and how the centers moved",
        loc="left",
        fontsize=12,
    )
    axis.grid(alpha=0.25)
