"""Choose the first centers for k-means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.clustering.nearest import nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Seeds are drawn this many times; the draw with the least inertia is used.
_NUM_DRAWS = 4
#: Rounds of Lloyd's algorithm on the first points; it mostly converges within these.
_NUM_ROUNDS = 10


def seed_centers(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    """Return up to k centers (<= k, F) of (n, F) points: k-means++, then Lloyd's algorithm.

    There are fewer than k centers if fewer points differ.
    Source: Arthur and Vassilvitskii, 2007, "k-means++: The Advantages of Careful Seeding".
    """
    draws = [_lloyd(points, _plus_plus(points, k, rng)) for _ in range(_NUM_DRAWS)]
    return min(draws, key=lambda centers: float(nearest(points, centers)[1].sum()))


def _plus_plus(points: Floats, k: int, rng: np.random.Generator) -> Floats:
    chosen = [int(rng.integers(len(points)))]
    squared = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k and squared.sum() > 0:
        chosen.append(int(rng.choice(len(points), p=squared / squared.sum())))
        squared = np.minimum(squared, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _lloyd(points: Floats, centers: Floats) -> Floats:
    for _ in range(_NUM_ROUNDS):
        index, _ = nearest(points, centers)
        sums, counts = sum_by(index, points, len(centers))
        filled = counts > 0
        moved = np.where(filled[:, None], sums / np.maximum(counts, 1)[:, None], centers)
        if np.array_equal(moved, centers):  # all further rounds would change nothing
            break
        centers = moved
    return centers


def sum_by(index: Ints, points: Floats, k: int) -> tuple[Floats, Ints]:
    """Return (k, F) sums, in the order of points, and (k,) counts of the points at each index."""
    counts = np.bincount(index, minlength=k)
    sums = np.zeros((k, points.shape[1]))
    if len(index):
        order = np.argsort(index, kind="stable")
        used = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[used]
        sums[used] = np.add.reduceat(points[order], starts, axis=0)
    return sums, counts
