"""CluStream: a fixed number of micro-clusters with times, grouped by k-means."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.clustering.density_groups import squared_distances
from models.clustering.micro_model import MicroClusterModel
from models.clustering.micro_options import SharedOptions, has_shared_options
from models.clustering.nearest import nearest
from models.clustering.weighted_kmeans import spread_seeds, weighted_kmeans
from models.options import check_option
from models.snapshots import Option, Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Rounds of k-means after each step; it starts where the last step's ended.
_ROUNDS = 5


@has_shared_options(max_micro_clusters=100)
class CluStream(MicroClusterModel):
    """At most `max_micro_clusters`, of which the oldest is removed or the closest two are merged.

    An event joins its nearest micro-cluster if it is within `boundary` times the root mean squared
    distance of that one's events; for one of a single event, within the distance to its nearest
    other. Else it begins a micro-cluster; room is made by removing the one with the least
    relevance stamp, if its latest events are older than `half_life_events`, else by merging the
    two closest. k-means over the weighted micro-clusters gives the clusters.

    Two things differ from the paper. Weights halve every `half_life_events`, where the paper
    subtracts stored snapshots to look at a horizon: the state stays one set of micro-clusters. And
    the first events that differ begin micro-clusters themselves, without k-means over a stored
    start. A step's events are tried against the micro-clusters as they were before it; once there
    are `max_micro_clusters`, an event that begins one takes those left over that are nearer to it.

    Memory: `max_micro_clusters` of 2 * `max_features` + 7 numbers, and k centers. Nothing is
    random.

    Source: Aggarwal, Han, Wang and Yu, 2003, "A Framework for Clustering Evolving Data Streams",
    VLDB.
    """

    name, version = "clustream", "1"

    def __init__(
        self,
        k: int = 8,
        boundary: float = 2.0,
        last_events: int = 10,
        **shared: Unpack[SharedOptions],
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            k: number of clusters, 1 to 1000, at most `max_micro_clusters`.
            boundary: the paper's factor t, > 0.
            last_events: the relevance stamp is about the mean time of the last so many events of a
                micro-cluster (the paper's m), >= 1.
            **shared: see `MicroOptions`. `half_life_events` is also the age of a stamp at which a
                micro-cluster is removed, and `max_micro_clusters` the paper's q.
        """
        super().__init__(shared)
        self.k = check_option("k", k, 1, min(1000, self.max_micro_clusters))
        self.boundary = check_option("boundary", boundary, 1e-6, 1e6)
        self.last_events = check_option("last_events", last_events, 1)
        self._centers: Floats = np.zeros((0, len(self._space.names)))

    @property
    def reach(self) -> float:
        """Every event belongs to a cluster."""
        return float("inf")

    def _more_options(self) -> dict[str, Option]:
        return {name: getattr(self, name) for name in ("k", "boundary", "last_events")}

    def _absorb(self, values: Floats, times: Floats) -> None:
        micro = self._micro
        micro.fade(0.5 ** (len(values) / self.half_life_events))
        points, now = self._space.scaled(values), float(times[-1]) + 1.0
        squared = np.full(len(values), np.inf)
        if len(micro):
            centers = self._space.scaled(micro.means)
            index, squared = nearest(points, centers)
            fits = squared <= self._boundaries(centers)[index]
            micro.add(index[fits], values[fits], times[fits])
            values, times, points = values[~fits], times[~fits], points[~fits]
            squared = squared[~fits]
        while len(values):
            to_first = ((points - points[0]) ** 2).sum(axis=1)
            has_room = len(micro) < self.max_micro_clusters
            own = to_first <= 0.0 if has_room else to_first < squared
            own[0] = True
            micro.append(values[own], times[own])
            values, times, points = values[~own], times[~own], points[~own]
            squared = squared[~own]
        self._make_room(now)
        micro.is_settled = np.ones(len(micro), np.bool_)

    def _boundaries(self, centers: Floats) -> Floats:
        """Return the squared distance (P,) up to which each micro-cluster takes an event."""
        micro = self._micro
        variances = micro.variances(self._space.unit, np.arange(len(micro)))
        squared = squared_distances(centers, centers)
        np.fill_diagonal(squared, np.inf)
        to_other = squared.min(axis=1)
        limit = self.boundary**2 * variances
        return np.where(variances > 0.0, limit, np.where(np.isfinite(to_other), to_other, 0.0))

    def _stamps(self) -> Floats:
        """Return the relevance stamps (P,): about when the last `last_events` events came.

        The paper takes the times as normal and returns their quantile at m / (2 n) from above.
        """
        micro = self._micro
        share = np.minimum(self.last_events / (2.0 * np.maximum(micro.weights, 1e-300)), 0.5)
        quantile = np.array([NormalDist().inv_cdf(1.0 - s) for s in np.maximum(share, 1e-12)])
        deviation = np.sqrt(micro.time_squares / np.maximum(micro.weights, 1e-300))
        return np.asarray(micro.times + quantile * deviation)

    def _make_room(self, now: float) -> None:
        micro = self._micro
        excess = len(micro) - self.max_micro_clusters
        if excess <= 0:
            return
        stamps = self._stamps()
        order = np.argsort(stamps, kind="stable")[:excess]
        old = order[stamps[order] < now - self.half_life_events]
        kept = np.ones(len(micro), np.bool_)
        kept[old] = False
        self._keep(kept)
        while len(micro) > self.max_micro_clusters:
            centers = self._space.scaled(micro.means)
            squared = squared_distances(centers, centers)
            np.fill_diagonal(squared, np.inf)
            a, b = divmod(int(squared.argmin()), len(micro))
            micro.merge(min(a, b), max(a, b))

    def _group(self, centers: Floats, settled: Ints) -> Ints:
        weights = self._micro.weights[settled]
        start = self._space.scaled(self._centers)[: self.k]
        start = spread_seeds(centers, weights, start, self.k)
        moved, groups = weighted_kmeans(centers, weights, start, _ROUNDS)
        sums, mass = np.zeros((len(moved), self._micro.means.shape[1])), np.zeros(len(moved))
        np.add.at(sums, groups, self._micro.means[settled] * weights[:, None])
        np.add.at(mass, groups, weights)
        self._centers = sums / np.maximum(mass, 1e-300)[:, None]
        return groups

    def _widen_more(self, means: Floats) -> None:
        more = np.broadcast_to(means, (len(self._centers), len(means)))
        self._centers = np.concatenate([self._centers, more], axis=1)

    def _more_arrays(self) -> dict[str, NDArray[Any]]:
        return {"num_centers": np.array([len(self._centers)]), "centers": self._centers}

    def _restore_more(self, saved: Snapshot) -> None:
        count = int(saved.array("num_centers", np.zeros(0, np.int64), 1)[0])
        if not 0 <= count <= self.k:
            raise ModelError(f"the snapshot of {self.name} has {count} centers: it is damaged")
        self._centers = saved.array("centers", np.zeros(0), count, len(self._space.names))
