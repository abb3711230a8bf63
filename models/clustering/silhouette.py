"""Choose the number of clusters by the silhouette of the first events."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.clustering.density_groups import squared_distances
from models.clustering.nearest import nearest
from models.clustering.seeding import seed_centers

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Points that are compared with each other; of more, as many at equal distances in their order.
_MAX_POINTS = 1024


def silhouette(points: Floats, index: Ints) -> float:
    """Return the mean silhouette of points (n, F) with clusters (n,), in [-1, 1].

    A point alone in its cluster counts 0; so does everything if there is one cluster.
    Source: Rousseeuw, 1987, "Silhouettes: A Graphical Aid to the Interpretation and Validation of
    Cluster Analysis", J. Comput. Appl. Math. 20.
    """
    used, own = np.unique(index, return_inverse=True)
    if len(used) < 2:
        return 0.0
    members = np.equal.outer(own, np.arange(len(used)))
    counts, rows = members.sum(axis=0), np.arange(len(points))
    sums = np.sqrt(squared_distances(points, points)) @ members
    within = sums[rows, own] / np.maximum(counts[own] - 1, 1)
    others = sums / counts
    others[rows, own] = np.inf
    between = others.min(axis=1)
    values = (between - within) / np.maximum(np.maximum(within, between), 1e-300)
    return float(np.where(counts[own] > 1, values, 0.0).mean())


def choose_k(points: Floats, most: int, rng: np.random.Generator) -> int:
    """Return the number of clusters of points (n, F), 2 to `most`, with the best silhouette."""
    step = -(-len(points) // _MAX_POINTS)
    compared = points[::step]
    scores = []
    for k in range(2, min(most, len(compared)) + 1):
        centers = seed_centers(compared, k, rng)
        scores.append(silhouette(compared, nearest(compared, centers)[0]))
    return 2 + int(np.argmax(scores)) if scores else most
