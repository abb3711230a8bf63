"""Finds the nearest center of each point, for points of several models at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Numbers in the centers of a model up to which distances to all of them are computed directly.
#: Matrix products are quicker for more, model by model.
_MAX_DIRECT = 256
#: Numbers in an array of direct distances: it fits into a core's cache.
_MAX_DIFFERENCES = 64 * 1024


def nearest(points: Floats, centers: Floats) -> tuple[Ints, Floats]:
    """Return the nearest center of each point and the squared distance to it.

    Args:
        points: (n, F).
        centers: (k, F).

    Returns:
        (n,) indices, the lowest of equal ones; (n,) squared distances, >= 0.
    """
    return nearest_of_each(points, [centers], np.zeros(len(points), np.int64))


def nearest_of_each(points: Floats, centers: Sequence[Floats], owners: Ints) -> tuple[Ints, Floats]:
    """Do what `nearest` does for the points of several models, each among its own centers.

    Args:
        points: (n, F).
        centers: of each model, (k, F) where k may differ.
        owners: (n,) the model of each point, ascending.
    """
    index, squared = np.empty(len(points), np.int64), np.empty(len(points))
    ends = np.searchsorted(owners, np.arange(len(centers)), side="right")
    # Chosen for each model by its own centers, so that the others change nothing.
    is_large = np.array([places.size > _MAX_DIRECT for places in centers])
    for i in np.flatnonzero(is_large).tolist():
        own = slice(ends[i - 1] if i else 0, ends[i])
        index[own], squared[own] = _by_product(points[own], centers[i])
    if not is_large.any():
        index, squared = _directly(points, centers, owners)
    elif not is_large.all():
        rest = ~is_large[owners]
        small = [places for places, large in zip(centers, is_large, strict=True) if not large]
        numbers = np.cumsum(~is_large) - 1
        index[rest], squared[rest] = _directly(points[rest], small, numbers[owners[rest]])
    return index, squared


def _directly(points: Floats, centers: Sequence[Floats], owners: Ints) -> tuple[Ints, Floats]:
    """Compute the distances to all centers, some thousand at a time."""
    index, squared = np.empty(len(points), np.int64), np.empty(len(points))
    most = max(len(places) for places in centers)
    padded = np.stack([_padded(places, most).T for places in centers], axis=1)
    portion = max(_MAX_DIFFERENCES // max(padded[:, 0].size, 1), 1)
    for start in range(0, len(points), portion):
        part = slice(start, start + portion)
        index[part], squared[part] = _nearest_padded(points[part], padded, owners[part])
    return index, squared


def _padded(places: Floats, most: int) -> Floats:
    """Repeat the first center up to `most`: of equal ones the first is nearest."""
    missing = most - len(places)
    return np.concatenate([places, np.repeat(places[:1], missing, axis=0)]) if missing else places


def _nearest_padded(points: Floats, centers: Floats, owners: Ints) -> tuple[Ints, Floats]:
    """Do it for points (n, F) and centers (F, models, k)."""
    own = centers if centers.shape[1] == 1 else centers.take(owners, axis=1)
    differences = np.ascontiguousarray(points.T)[:, :, None] - own
    np.square(differences, out=differences)
    # One feature after another, because `sum` takes them in an order that depends on the number of
    # points: a point's distance must have the same rounding alone and among others.
    squared = np.zeros(differences.shape[1:])
    for of_feature in differences:
        squared += of_feature
    index = squared.argmin(axis=1)
    return index, squared[np.arange(len(points)), index]


def _by_product(points: Floats, centers: Floats) -> tuple[Ints, Floats]:
    # Without a point's own square, which is the same for all centers.
    index = ((centers**2).sum(1) - 2 * (points @ centers.T)).argmin(axis=1)
    # Computed again, because the product form loses precision near 0.
    away = points - centers.take(index, axis=0)
    return index, np.einsum("ij,ij->i", away, away)
