"""DBSTREAM: micro-clusters that overlap, connected where events fall into both."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from models.clustering.density_groups import connected, leader_groups, squared_distances
from models.clustering.micro_model import MicroClusterModel
from models.clustering.micro_options import SharedOptions, has_shared_options
from models.options import check_option
from models.snapshots import Option, Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@has_shared_options()
class DBStream(MicroClusterModel):
    """Micro-clusters of a fixed radius; those that share enough density are one cluster.

    An event adds weight to every micro-cluster within `radius`, shared density to every pair of
    them, and pulls their centers towards itself by exp(-3 d^2 / (2 radius^2)), where d is the
    distance. No center moves to within `radius` of another. An event within none begins a
    micro-cluster. Weights and shared densities halve every `half_life_events`; every `gap_events`
    the weak ones are removed. Two of weight `min_weight` are connected if their shared density is
    `min_shared` of the mean of their weights.

    A step first begins micro-clusters at events that none covers; then every event counts in all
    that cover it, and a center moves once, by 1 - exp(-the sum of the pulls) towards the mean of
    what pulled it.

    Memory: `max_micro_clusters` of 2 * `max_features` + 7 numbers, and the square of
    `max_micro_clusters` numbers of shared density. Nothing is random.

    Source: Hahsler and Bolaños, 2016, "Clustering Data Streams Based on Shared Density between
    Micro-Clusters", IEEE TKDE 28(6), DOI 10.1109/TKDE.2016.2522412.
    """

    name, version = "dbstream", "1"

    def __init__(
        self,
        radius: float = 0.6,
        min_weight: float = 3.0,
        min_shared: float = 0.1,
        gap_events: int = 1000,
        **shared: Unpack[SharedOptions],
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            radius: of every micro-cluster, in the scaled space, > 0 (the paper's r).
            min_weight: a lighter micro-cluster is noise (the paper's w_min), >= 0.
            min_shared: the intersection factor alpha, in (0, 1].
            gap_events: events between removals of the weak (the paper's t_gap), >= 1.
            **shared: see `MicroOptions`.
        """
        super().__init__(shared)
        self.radius = check_option("radius", radius, 1e-9, 1e9)
        self.min_weight = check_option("min_weight", min_weight, 0)
        self.min_shared = check_option("min_shared", min_shared, 1e-6, 1)
        self.gap_events = check_option("gap_events", gap_events, 1)
        self._shared: Floats = np.zeros((0, 0))
        """(P, P) symmetric, 0 on the diagonal."""

    @property
    def reach(self) -> float:
        """An event belongs to the micro-clusters that cover it."""
        return self.radius

    def _more_options(self) -> dict[str, Option]:
        names = ("radius", "min_weight", "min_shared", "gap_events")
        return {name: getattr(self, name) for name in names}

    def _absorb(self, values: Floats, times: Floats) -> None:
        factor = 0.5 ** (len(values) / self.half_life_events)
        self._micro.fade(factor)
        self._shared *= factor
        points = self._space.scaled(values)
        began = self._begin(values, times, points)
        squared = squared_distances(points, self._space.scaled(self._micro.means))
        covers = np.asarray(squared <= self.radius**2)
        # The event that began one is in it already.
        covers[began, len(self._micro) - len(began) + np.arange(len(began))] = False
        self._pull(values, times, squared, covers)
        now = int(times[-1]) + 1
        if now // self.gap_events > int(times[0]) // self.gap_events:
            self._remove_weak()
        self._limit()
        self._micro.is_settled = self._micro.weights >= self.min_weight

    def _pull(self, values: Floats, times: Floats, squared: Floats, covers: Bools) -> None:
        """Add events (n, F) to all micro-clusters (n, P) that cover them."""
        micro, covering = self._micro, covers.astype(np.float64)
        shared = covering.T @ covering
        counts = shared.diagonal().copy()
        np.fill_diagonal(shared, 0.0)
        self._shared += shared
        pulls = covering * np.exp(-1.5 * squared / self.radius**2)
        total = pulls.sum(axis=0)
        targets = (pulls.T @ values) / np.maximum(total, 1e-300)[:, None]
        share = np.where(counts > 0, -np.expm1(-total), 0.0)
        moved = micro.means + share[:, None] * (targets - micro.means)
        micro.means = self._apart(moved)
        weights = micro.weights + counts
        means = (covering.T @ times) / np.maximum(counts, 1.0)
        away = np.where(counts > 0, means - micro.times, 0.0)
        micro.times = micro.times + away * counts / np.maximum(weights, 1e-300)
        micro.weights = weights
        self._add_squares(values, covering)

    def _add_squares(self, values: Floats, covering: Floats) -> None:
        """Add the squared deviations of events (n, F) from the centers that cover them (n, P)."""
        micro, middle = self._micro, values.mean(axis=0)
        values, means = values - middle, micro.means - middle
        counts = covering.sum(axis=0)[:, None]
        sums, squares = covering.T @ values, covering.T @ values**2
        added = squares - 2.0 * means * sums + means**2 * counts
        micro.squares = micro.squares + np.maximum(added, 0.0)

    def _apart(self, moved: Floats) -> Floats:
        """Return the centers (P, F) after the moves that bring none within `radius` of another."""
        old = self._micro.means
        moves = np.flatnonzero((moved != old).any(axis=1))
        while len(moves):
            places = old.copy()
            places[moves] = moved[moves]
            centers = self._space.scaled(places)
            squared = squared_distances(centers[moves], centers)
            squared[np.arange(len(moves)), moves] = np.inf
            collides = (squared <= self.radius**2).any(axis=1)
            if not collides.any():
                return places
            moves = moves[~collides]
        return old

    def _begin(self, values: Floats, times: Floats, points: Floats) -> Ints:
        """Begin micro-clusters at events (n, F) until each is within one; return which (m,)."""
        is_left = np.ones(len(values), np.bool_)
        if len(self._micro):
            squared = squared_distances(points, self._space.scaled(self._micro.means))
            is_left = np.asarray((squared > self.radius**2).all(axis=1))
        left = np.flatnonzero(is_left)
        groups = leader_groups(points[left], self.radius)
        began = left[np.unique(groups, return_index=True)[1]]
        self._micro.append_each(values[began], times[began], np.arange(len(began)))
        self._shared = np.pad(self._shared, (0, len(began)))
        return began

    def _remove_weak(self) -> None:
        """Remove what would not have reached its present weight with one event in each gap."""
        weak = 2.0 ** (-self.gap_events / self.half_life_events)
        self._keep(self._micro.weights > weak)
        self._shared[self._shared <= self.min_shared * weak] = 0.0

    def _keep(self, kept: Bools) -> None:
        super()._keep(kept)
        self._shared = np.ascontiguousarray(self._shared[np.ix_(kept, kept)])

    def _group(self, centers: Floats, settled: Ints) -> Ints:
        weights = self._micro.weights[settled]
        mean = (weights + weights[:, None]) / 2.0
        shared = self._shared[np.ix_(settled, settled)]
        return connected((shared > 0.0) & (shared >= self.min_shared * mean))

    def _more_arrays(self) -> dict[str, NDArray[Any]]:
        return {"shared": self._shared}

    def _restore_more(self, saved: Snapshot) -> None:
        count = len(self._micro)
        self._shared = saved.array("shared", np.zeros(0), count, count)
