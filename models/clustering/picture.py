"""What is known about the clusters of all partitions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A difference of bounds below this share of them counts as none: the feature is constant.
_LEAST = 1e-9
_LARGEST = 1e100


@dataclass(frozen=True)
class Part:
    """What a partition reported last: P micro-clusters."""

    agent: str
    partition: int
    sequence: int
    number: int
    """How many reports of all partitions came before."""
    ids: Ints
    groups: Ints
    """(P,) the partition's own cluster of each."""
    weights: Floats
    radii: Floats
    centers: Floats
    """(P, F) even values (after the log); NaN where a feature was not reported."""
    bounds: Floats
    """(2, F) even values that are 0 and 1 in the partition's scale; NaN where not stated."""
    global_ids: Ints
    """(P,) -1 before the picture is made."""


@dataclass(frozen=True)
class Whole:
    """One cluster of the picture."""

    weight: float
    center: Floats
    """(F,) even values."""
    radius: float
    members: frozenset[tuple[str, int, int]]
    """Agent, partition and cluster id."""
    parents: tuple[int, ...] = ()
    """The ids that its micro-clusters had before, the heaviest first."""


@dataclass(frozen=True)
class Picture:
    """Everything that is known; a new report makes a new picture."""

    features: list[str] = field(default_factory=list)
    is_log: bool = False
    reach: float = 0.0
    k: int = 0
    """Number of clusters; 0: as many as `reach` gives."""
    parts: dict[tuple[str, int], Part] = field(default_factory=dict)
    wholes: dict[int, Whole] = field(default_factory=dict)
    next_id: int = 0
    num_reports: int = 0

    def even(self, plain: Floats) -> Floats:
        """Return values after the log, if there is one."""
        if self.is_log:
            return np.asarray(np.copysign(np.log1p(np.abs(plain)), plain))
        return np.clip(plain, -_LARGEST, _LARGEST)

    def plain(self, even: Floats) -> Floats:
        """Return values in the units of the events."""
        if not self.is_log:
            return even
        return np.asarray(np.copysign(np.minimum(np.expm1(np.abs(even)), 1e300), even))

    @property
    def unit(self) -> Floats:
        """(F,) the difference of even values that is 1 when scaled; infinite if constant.

        The bounds of all partitions together; where none states any, the deviation of the centers.
        """
        lows = [part.bounds[0] for part in self.parts.values()]
        highs = [part.bounds[1] for part in self.parts.values()]
        size = np.fmax.reduce(highs) - np.fmin.reduce(lows)
        least = np.fmax.reduce(np.abs(highs))
        is_stated = ~np.isnan(size)
        if not is_stated.all():
            centers, weights = self.centers, self.weights
            known = np.where(np.isnan(centers), 0.0, weights[:, None])
            total = np.maximum(known.sum(axis=0), 1e-300)
            filled = np.nan_to_num(centers)
            mean = (filled * known).sum(axis=0) / total
            deviation = np.sqrt(((filled - mean) ** 2 * known).sum(axis=0) / total)
            size = np.where(is_stated, size, deviation)
            least = np.where(is_stated, least, np.abs(mean))
        is_varied = size > _LEAST * np.maximum(least, 1.0)
        return np.where(is_varied, size, np.inf)

    @property
    def centers(self) -> Floats:
        """(P, F) of all partitions."""
        return np.concatenate([part.centers for part in self.parts.values()])

    @property
    def weights(self) -> Floats:
        """(P,) of all partitions."""
        return np.concatenate([part.weights for part in self.parts.values()])


def distance(center: Floats, other: Floats, unit: Floats) -> float:
    """Return the scaled distance of two even centers (F,); features that one lacks are equal."""
    return float(np.sqrt((np.nan_to_num((center - other) / unit) ** 2).sum()))
