"""Which features made a half-space tree find few readings around a point.

On a point's way down a tree the value v = log2(1 + density) changes from split to split. Each split
is credited with its fall: so the credits of a tree sum to v(root) - v(end). Less the mean credits
of the reference's own readings, and summed over the trees, they sum to what the logarithm of the
point's score is above that of usual readings.

Source: Palczewska, Palczewski, Robinson and Neagu, 2013, "Interpreting random forest models using a
feature contribution method", IEEE IRI; Saabas, 2014, "Interpreting random forests".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.anomaly.tree_scores import SIZE_LIMIT, Masses, Points, node_at
from models.anomaly.trees import Trees

Floats = NDArray[np.float64]


def credits(trees: Trees, part: Points) -> Floats:
    """Return the credits (n, features) of points, summed over the trees."""
    num, num_features = part.points.shape
    sizes, limits = part.sizes[:, None], SIZE_LIMIT * part.sizes[:, None]
    flat = part.masses.reshape(-1)
    starts = (part.slots * part.masses[0].size)[:, None] + trees.num_nodes * np.arange(
        trees.num_trees
    )
    leaves, total = trees.leaves(part.points), np.zeros(num * num_features)
    owners = num_features * np.arange(num)[:, None]
    parent = np.zeros_like(leaves)
    mass = flat[starts + parent].astype(np.float64)
    value = _value(mass, 0, sizes)
    for level in range(1, trees.depth + 1):
        child = node_at(leaves, np.full((1, 1), level), trees.depth)
        mass_below = flat[starts + child].astype(np.float64)
        value_below = _value(mass_below, level, sizes)
        fall = np.where(mass > limits, value - value_below, 0.0)  # a path may have ended before
        at = owners + trees.features_of(parent)
        total += np.bincount(at.ravel(), fall.ravel(), len(total))
        parent, mass, value = child, mass_below, value_below
    return total.reshape(num, num_features)


def usual_credits(trees: Trees, masses: Masses, size: int, num_features: int) -> Floats:
    """Return the mean credits (features,) of the readings of a reference.

    Args:
        trees: over `num_features`.
        masses: (trees, nodes) the reference's readings in each node.
        size: readings of the reference.
        num_features: of a point.
    """
    total = np.zeros(num_features)
    for level in range(1, trees.depth + 1):
        parents = np.arange(2 ** (level - 1) - 1, 2**level - 1)
        above = masses[:, parents].astype(np.float64)
        below = masses[:, 2**level - 1 : 2 ** (level + 1) - 1].astype(np.float64)
        fall = np.repeat(_value(above, level - 1, size), 2, axis=1) - _value(below, level, size)
        is_inner = np.repeat(above > SIZE_LIMIT * size, 2, axis=1)
        weights = np.where(is_inner, fall * below / size, 0.0)
        split = trees.features_of(
            np.broadcast_to(parents[:, None], (len(parents), trees.num_trees))
        )
        at = np.repeat(split.T, 2, axis=1)
        total += np.bincount(at.ravel(), weights.ravel(), num_features)
    return total


def _value(mass: Floats, level: int, size: int | NDArray[np.int64]) -> Floats:
    value: Floats = np.log2(1.0 + mass * 2.0**level / size)
    return value
