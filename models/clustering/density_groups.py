"""DBSCAN over micro-clusters: dense ones that are near each other form a cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def squared_distances(points: Floats, centers: Floats) -> Floats:
    """Return squared distances (n, P), >= 0, of points (n, F) from centers (P, F)."""
    products = points @ centers.T
    products *= -2.0
    products += (points**2).sum(axis=1)[:, None]
    products += (centers**2).sum(axis=1)
    return np.maximum(products, 0.0, out=products)


def connected(links: Bools) -> Ints:
    """Return the component (n,), from 0, of each node of a symmetric graph (n, n)."""
    # Each node takes the lowest label near it, and then that label's own, until nothing changes.
    labels = np.arange(len(links))
    while True:
        near = np.where(links, labels, len(links)).min(axis=1, initial=len(links))
        lower = np.minimum(labels, near)
        lower = lower[lower]
        if np.array_equal(lower, labels):
            return np.unique(labels, return_inverse=True)[1].astype(np.int64)
        labels = lower


def density_groups(centers: Floats, is_core: Bools, reach: float) -> Ints:
    """Return the group (P,) of each micro-cluster, from 0.

    Core ones within `reach` of each other are of one group; any other one joins its nearest core
    one within reach, or is a group alone.
    Source: Ester et al., 1996, "A Density-Based Algorithm for Discovering Clusters", KDD.

    Args:
        centers: (P, F), scaled.
        is_core: (P,).
        reach: scaled distance.
    """
    squared = squared_distances(centers, centers)
    near = squared <= reach**2
    links = near & is_core & is_core[:, None]
    borders = np.flatnonzero(~is_core & (near & is_core).any(axis=1))
    nearest = np.where(is_core, squared[borders], np.inf).argmin(axis=1)
    links[borders, nearest] = links[nearest, borders] = True
    return connected(links)


def leader_groups(points: Floats, radius: float) -> Ints:
    """Return the group (n,), from 0, of points (n, F): the first left takes all within `radius`."""
    near = squared_distances(points, points) <= radius**2
    groups, is_left = np.full(len(points), -1), np.ones(len(points), np.bool_)
    count = 0
    while is_left.any():
        first = int(is_left.argmax())
        taken = near[first] & is_left
        taken[first] = True
        groups[taken] = count
        is_left[taken] = False
        count += 1
    return groups
