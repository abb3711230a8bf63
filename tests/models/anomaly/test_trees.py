"""Leaves and counts of half-space trees, by two ways each."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.trees import Trees, num_nodes


def points(count: int, features: int) -> np.typing.NDArray[np.float64]:
    """Return points in the box, at cuts, far out, and at infinity."""
    rng = np.random.default_rng(count)
    values = rng.normal(0.5, 0.5, (count, features))
    values[:3] = np.array([0.5, np.inf, -np.inf])[:, None]
    return values


@pytest.mark.parametrize(("trees", "depth", "features"), [(25, 10, 2), (3, 15, 1), (7, 6, 5)])
def test_counting_cuts_gives_the_leaf_that_the_path_ends_at(
    trees: int, depth: int, features: int
) -> None:
    made = Trees(trees, depth, features, 1, seed=3)
    assert made._has_one_feature
    at = points(300, features)
    at[3:10] = made._cuts[0, :7, None]
    counted = made.leaves(at)
    made._has_one_feature = False
    assert np.array_equal(counted, made.leaves(at))
    assert counted.min() >= 0
    assert counted.max() < 2**depth


@pytest.mark.parametrize("features_per_tree", [1, 3])
def test_counts_are_those_of_each_path(features_per_tree: int) -> None:
    made = Trees(5, 4, 3, features_per_tree, seed=1)
    sources = [points(40, 3), points(7, 3)]
    counts = made.counts(sources)
    assert counts.shape == (2, 5, num_nodes(4))
    for own, at in zip(counts, sources, strict=True):
        leaves = made.leaves(at)
        for level in range(5):
            for tree in range(5):
                nodes = 2**level - 1 + (leaves[:, tree] >> (4 - level))
                expected = np.bincount(nodes, minlength=num_nodes(4))
                here = slice(2**level - 1, 2 ** (level + 1) - 1)
                assert np.array_equal(own[tree, here], expected[here])
