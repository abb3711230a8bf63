"""What online k-means learned in a partition, and its learning step for many partitions at once.

A vectorized step takes the events of all partitions one after another. `owners` (n,) says to which
partition each belongs, ascending from 0. Sums are made for each partition in the order of its
events, so that a partition learns exactly the same alone and beside others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from models.clustering.centers import Centers
from models.clustering.nearest import nearest_of_each
from models.clustering.scaling import RunningScale
from models.clustering.seeding import seed_centers, sum_by
from models.clustering.silhouette import choose_k

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A new cluster must reduce the squared distances of a step by this share.
_LEAST_GAIN = 0.25
#: As `RunningScale` clips the first values of a feature, so that their mean is finite.
_LARGEST = 1e100


class Clusters:
    """The scale of the features and the centers, or the events that will seed them."""

    def __init__(
        self, features: list[str], k: int, seed_events: int, seed: int, chooses_k: bool = False
    ) -> None:
        """Start without any state.

        Args:
            features: their names, F of them.
            k: number of clusters.
            seed_events: events that seed the centers.
            seed: of random choices.
            chooses_k: whether there are 2 to k clusters, by the silhouette of the seeding events.
        """
        self.features = features
        self.scale = RunningScale(len(features))
        self.waiting: Floats = np.zeros((0, len(features)))
        """(n, F) events, until there are enough to seed the centers."""
        self.centers = Centers(k, len(features))
        self.spread = 0.0
        """The decayed mean of squared distances."""
        self.num_steps = 0
        self._seed_events, self._seed, self._chooses_k = seed_events, seed, chooses_k

    def widen(self, features: Sequence[str], values: Floats) -> None:
        """Add features that came later: until now, every event and center is at their mean.

        Args:
            features: all features, the present ones first.
            values: (n, F) events with a value of each new one; NaN where an event lacks a feature.
        """
        new = values[:, len(self.features) :]
        means = np.nanmean(np.clip(new, -_LARGEST, _LARGEST), axis=0)
        self.scale.widen(len(means))
        self.waiting = _with_columns(self.waiting, means)
        self.centers.places = _with_columns(self.centers.places, means)
        self.features = list(features)

    def seed(self, values: Floats) -> None:
        """Keep the events (n, F) until there are enough to seed the centers."""
        self.waiting = np.concatenate([self.waiting, values])
        if len(self.waiting) < self._seed_events:
            return
        waiting, self.waiting = self.waiting, self.waiting[:0]
        points = self._scaled(waiting)
        if self._chooses_k:
            self.centers.k = choose_k(points, self.centers.k, self._rng())
        places = seed_centers(points, self.centers.k, self._rng())
        self.centers.add(places * self.scale.std[0] + self.scale.mean[0])
        self.spread = float(nearest_centers([self], *stacked([waiting]))[1].mean())
        _move([self], [waiting], [1.0])

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self._seed, self.num_steps])

    def _scaled(self, values: Floats) -> Floats:
        return self.scale.scaled(*stacked([values]))

    def admit_one_of(self, values: Floats, squared: Floats) -> bool:
        """Add a center at an event farther out than usual, if that gains enough; return if so.

        Args:
            values: (n, F) events.
            squared: (n,) their squared distances from the nearest center.
        """
        far = np.where(squared > self.spread, squared, 0.0)
        if not far.any():
            return False
        chosen = int(self._rng().choice(len(values), p=far / far.sum()))
        points = self._scaled(values)
        to_chosen = ((points - points[chosen]) ** 2).sum(axis=1)
        if np.maximum(squared - to_chosen, 0.0).sum() <= _LEAST_GAIN * squared.sum():
            return False
        self.centers.admit(values[chosen])
        return True


def _with_columns(rows: Floats, values: Floats) -> Floats:
    """Append these values to each of the rows (n, F)."""
    return np.concatenate([rows, np.broadcast_to(values, (len(rows), len(values)))], axis=1)


def stacked(steps: Sequence[Floats]) -> tuple[Floats, Ints]:
    """Return the values (n, F) of several partitions one after another, and their owners (n,)."""
    lengths = [len(values) for values in steps]
    return np.concatenate(steps), np.repeat(np.arange(len(steps)), lengths)


def first_centers(partitions: Sequence[Clusters]) -> Ints:
    """Return where each partition's centers begin if all are put one after another."""
    sizes = np.array([len(clusters.centers) for clusters in partitions], np.int64)
    return np.cumsum(sizes) - sizes


def nearest_centers(
    partitions: Sequence[Clusters], values: Floats, owners: Ints
) -> tuple[Ints, Floats]:
    """Return the nearest of its partition's centers for each event, and the squared distance.

    Args:
        partitions: with centers, and with the same number of features F.
        values: (n, F), NaN where an event lacks a feature.
        owners: (n,) the partition of each event.
    """
    scale = RunningScale.joined([clusters.scale for clusters in partitions])
    places = scale.scaled(*stacked([clusters.centers.places for clusters in partitions]))
    centers = np.split(places, first_centers(partitions)[1:])
    return nearest_of_each(scale.scaled(values, owners), centers, owners)


def learn_step(partitions: Sequence[Clusters], steps: Sequence[Floats], half_life: float) -> None:
    """Update the scale of each partition and move its centers.

    Args:
        partitions: distinct ones, with the same number of features F.
        steps: the events of each, (n, F) with n >= 1, NaN where an event lacks a feature.
        half_life: events after which the weight of an event halves.
    """
    decays = [0.5 ** (len(step) / half_life) for step in steps]
    scale = RunningScale.joined([clusters.scale for clusters in partitions])
    values, owners = stacked(steps)
    values = scale.clipped(values, owners)
    scale.learn(values, owners, np.array(decays))
    values = np.where(np.isnan(values), scale.mean[owners], values)
    steps = np.split(values, np.cumsum([len(step) for step in steps])[:-1])
    moving = [len(clusters.centers) > 0 for clusters in partitions]
    for clusters, own_scale in zip(partitions, scale.split(), strict=True):
        clusters.scale = own_scale
        clusters.num_steps += 1
    for clusters, step, moves in zip(partitions, steps, moving, strict=True):
        if not moves:
            clusters.seed(step)
    if any(moving):
        _move(*(list(compress(column, moving)) for column in (partitions, steps, decays)))


def _move(partitions: Sequence[Clusters], steps: Sequence[Floats], decays: Sequence[float]) -> None:
    """Decay the clusters of each partition and add its events (n, F) to them."""
    values, owners = stacked(steps)
    for clusters, decay in zip(partitions, decays, strict=True):
        clusters.centers.weights *= decay
    index, squared = nearest_centers(partitions, values, owners)
    _admit(partitions, steps, index, squared)
    firsts = first_centers(partitions)
    places = np.concatenate([clusters.centers.places for clusters in partitions])
    chosen = firsts[owners] + index
    sums, counts = sum_by(chosen, values - places[chosen], len(places))
    totals = sum_by(owners, squared[:, None], len(partitions))[0][:, 0].tolist()
    for i, clusters in enumerate(partitions):
        own = slice(firsts[i], firsts[i] + len(clusters.centers))
        clusters.centers.move(sums[own], counts[own])
        mean = totals[i] / len(steps[i])
        clusters.spread = decays[i] * clusters.spread + (1 - decays[i]) * mean


def _admit(
    partitions: Sequence[Clusters], steps: Sequence[Floats], index: Ints, squared: Floats
) -> None:
    """Add a center where there is room and a gain; update `index` and `squared` in place."""
    start = 0
    for clusters, step in zip(partitions, steps, strict=True):
        own = slice(start, start + len(step))
        if clusters.centers.has_room() and clusters.admit_one_of(step, squared[own]):
            index[own], squared[own] = nearest_centers([clusters], *stacked([step]))
        start += len(step)
