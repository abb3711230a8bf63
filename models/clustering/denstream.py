"""DenStream: clusters of any shape in a stream with noise."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from models.clustering.density_groups import density_groups, leader_groups
from models.clustering.micro_model import MicroClusterModel
from models.clustering.micro_options import SharedOptions, has_shared_options
from models.clustering.nearest import nearest
from models.options import check_option
from models.snapshots import Option

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@has_shared_options(learn_every=32)
class DenStream(MicroClusterModel):
    """Potential and outlier micro-clusters of at most `radius`, grouped by DBSCAN.

    An event joins its nearest potential micro-cluster if that then has a radius of at most
    `radius`; else its nearest outlier micro-cluster under the same condition; else it begins an
    outlier micro-cluster. One becomes potential above the weight `min_weight * potential_share`.
    Weights halve every `half_life_events`; from time to time the potential ones that fell below
    that weight, and the outlier ones that grow too slowly, are removed. Potential ones of weight
    `min_weight` are the cores of DBSCAN, with `link` times `radius` as its distance.

    A step's events are tried against the micro-clusters as they were before it. Where a
    micro-cluster would grow beyond `radius` by all events that it could take one by one, it takes
    only those within `radius` of its center. So no radius is ever above `radius`.

    Memory: `max_micro_clusters` of 2 * `max_features` + 7 numbers. Nothing is random.

    Source: Cao, Ester, Qian and Zhou, 2006, "Density-Based Clustering over an Evolving Data
    Stream with Noise", SDM; DOI 10.1137/1.9781611972764.29.
    """

    name, version = "denstream", "1"

    def __init__(
        self,
        radius: float = 0.4,
        min_weight: float = 10.0,
        potential_share: float = 0.3,
        link: float = 2.0,
        **shared: Unpack[SharedOptions],
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            radius: of a micro-cluster at most, in the scaled space, > 0 (the paper's epsilon).
            min_weight: of a core micro-cluster, > 1 (the paper's mu).
            potential_share: share of `min_weight` that makes a micro-cluster potential, in (0, 1]
                (the paper's beta); the product must be above 1.
            link: micro-clusters up to so many radii apart are of one cluster, and an event farther
                from all of them is an outlier, > 0 (the paper: 2; more for sparse shapes).
            **shared: see `MicroOptions`.
        """
        super().__init__(shared)
        self.radius = check_option("radius", radius, 1e-9, 1e9)
        self.min_weight = check_option("min_weight", min_weight, 1.000001)
        self.potential_share = check_option("potential_share", potential_share, 1e-6, 1)
        self.link = check_option("link", link, 1e-6, 1e6)
        self._least = self.min_weight * self.potential_share
        if self._least <= 1.0:
            raise ValueError(
                f"option potential_share is {potential_share!r}: times min_weight "
                f"({min_weight:g}) it must be above 1, or every event is a cluster"
            )
        # Equation 4.1 of the paper: the least time in which a potential one can fade away.
        fade_time = self.half_life_events * math.log2(self._least / (self._least - 1.0))
        self._prune_every = max(math.ceil(fade_time), 1)

    @property
    def reach(self) -> float:
        """With a `link` of 2, micro-clusters of full radius that touch are of one cluster."""
        return self.link * self.radius

    def _more_options(self) -> dict[str, Option]:
        names = ("radius", "min_weight", "potential_share", "link")
        return {name: getattr(self, name) for name in names}

    def _absorb(self, values: Floats, times: Floats) -> None:
        self._micro.fade(0.5 ** (len(values) / self.half_life_events))
        left = np.arange(len(values))
        for is_settled in (True, False):
            chosen = np.flatnonzero(self._micro.is_settled == is_settled)
            if len(chosen) and len(left):
                left = left[~self._merge(values[left], times[left], chosen)]
        self._begin(values[left], times[left])
        self._micro.is_settled |= self._micro.weights > self._least
        now = int(times[-1]) + 1
        if now // self._prune_every > int(times[0]) // self._prune_every:
            self._prune(float(now))
        self._limit()

    def _merge(self, values: Floats, times: Floats, chosen: Ints) -> NDArray[np.bool_]:
        """Add events (n, F) to the micro-clusters at `chosen` where they fit; return which did."""
        micro, space, limit = self._micro, self._space, self.radius**2
        centers = space.scaled(micro.means[chosen])
        index, squared = nearest(space.scaled(values), centers)
        weights, variances = micro.weights[chosen][index], micro.variances(space.unit, chosen)
        share = weights / (weights + 1.0)
        fits = np.asarray(share * (variances[index] + squared / (weights + 1.0)) <= limit)
        sums = micro.sums(chosen[index[fits]], values[fits], times[fits])
        # The old sums of squares count too: `gained` holds only what the events add.
        old = variances[np.searchsorted(chosen, sums.at)] * micro.weights[sums.at]
        added = (sums.gained[:, :-1] / space.unit**2).sum(axis=1)
        is_wide = old + added > limit * sums.weights
        if is_wide.any():
            wide = np.isin(chosen, sums.at[is_wide])
            fits &= ~wide[index] | (squared <= limit)
            sums = micro.sums(chosen[index[fits]], values[fits], times[fits])
        micro.put(sums)
        return fits

    def _begin(self, values: Floats, times: Floats) -> None:
        """Make outlier micro-clusters: an event takes all within `radius` that are left."""
        if len(values):
            groups = leader_groups(self._space.scaled(values), self.radius)
            self._micro.append_each(values, times, groups)

    def _prune(self, now: float) -> None:
        micro, rate = self._micro, 1.0 / self.half_life_events
        span = float(self._prune_every)
        # Equation 4.2 of the paper: the least weight of one that may still become potential.
        least = np.exp2(-rate * (now - micro.created + span)) - 1.0
        least = least / (2.0 ** (-rate * span) - 1.0)
        self._keep(micro.weights >= np.where(micro.is_settled, self._least, least))

    def _group(self, centers: Floats, settled: Ints) -> Ints:
        is_core = self._micro.weights[settled] >= self.min_weight
        return density_groups(centers, is_core, self.reach)
