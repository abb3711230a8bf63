"""k-means over weighted points, such as micro-clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.clustering.nearest import nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def spread_seeds(points: Floats, weights: Floats, centers: Floats, k: int) -> Floats:
    """Add points (n, F) to the centers (m, F) until there are k, or no more that differ.

    Each is the one with the largest weight times squared distance from the centers so far; the
    first is the heaviest. So nothing is random, unlike in k-means++.
    """
    while len(centers) < k:
        if len(centers):
            gains = weights * nearest(points, centers)[1]
        else:
            gains = weights
        best = int(gains.argmax())
        if gains[best] <= 0.0:
            break
        centers = np.concatenate([centers, points[best : best + 1]])
    return centers


def weighted_kmeans(
    points: Floats, weights: Floats, centers: Floats, rounds: int
) -> tuple[Floats, Ints]:
    """Move centers (k, F) to the weighted means of their points (n, F), some rounds at most.

    Returns:
        The centers that have points, (<= k, F), and the center of each point (n,).
    """
    for _ in range(rounds):
        index, _ = nearest(points, centers)
        sums, mass = np.zeros_like(centers), np.zeros(len(centers))
        np.add.at(sums, index, points * weights[:, None])
        np.add.at(mass, index, weights)
        has_points = np.bincount(index, minlength=len(centers)) > 0
        moved = (sums / np.maximum(mass, 1e-300)[:, None])[has_points]
        if np.array_equal(moved, centers):
            break
        centers = moved
    index, _ = nearest(points, centers)
    used, inverse = np.unique(index, return_inverse=True)
    return centers[used], inverse.astype(np.int64)
