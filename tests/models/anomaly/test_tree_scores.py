"""Scores of points: the end of each path is where a walk from the root would stop."""

from __future__ import annotations

import numpy as np

from models.anomaly.tree_scores import SIZE_LIMIT, Points, tree_scores
from models.anomaly.trees import Trees


def test_bisection_ends_where_a_walk_from_the_root_ends() -> None:
    rng = np.random.default_rng(0)
    trees = Trees(6, 7, 2, 1, seed=2)
    references = [rng.normal(0.5, 0.1, (size, 2)) for size in (20, 300, 2048)]
    masses = trees.counts(references).astype(np.uint16)
    slots = rng.integers(3, size=1500)
    sizes = np.array([20, 300, 2048])[slots]
    points = rng.normal(0.5, 0.3, (1500, 2))
    parts = [
        Points(masses, slots[part], sizes[part], points[part], np.arange(1500)[part], ())
        for part in (slice(0, 700), slice(700, 1500))
    ]
    scores = tree_scores(trees, parts)
    leaves = trees.leaves(points)
    for at in range(0, 1500, 7):
        densities = []
        for tree in range(6):
            for level in range(8):
                node = 2**level - 1 + (leaves[at, tree] >> (7 - level))
                mass = float(masses[slots[at], tree, node])
                if mass <= SIZE_LIMIT * sizes[at] or level == 7:
                    densities.append(mass * 2.0**level / sizes[at])
                    break
        expected = np.exp2(-np.log2(1.0 + np.array(densities)).mean())
        assert np.isclose(scores[at], expected, rtol=1e-12)
