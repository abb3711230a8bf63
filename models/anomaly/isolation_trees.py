"""Isolation trees as arrays: fitted by scikit-learn, scored and saved without it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Euler's constant, of the mean path length.
_EULER = 0.5772156649015329


class IsolationTrees(NamedTuple):
    """T trees with room for K nodes each; a leaf is its own child."""

    features: NDArray[np.uint16]
    """(T, K)"""
    thresholds: Floats
    """(T, K) a point goes to the left if its feature is at most this."""
    left: NDArray[np.uint16]
    """(T, K)"""
    right: NDArray[np.uint16]
    """(T, K)"""
    paths: Floats
    """(T, K) length of the path that ends at a leaf, with the mean of what is below it; else 0."""

    def scores(self, points: Floats, num_samples: int, depth: int) -> Floats:
        """Return the anomaly scores (n,) in (0, 1) of points (n, features).

        Args:
            points: compared in float32, as scikit-learn does.
            num_samples: training points of each tree.
            depth: the longest path.
        """
        points = points.astype(np.float32)
        trees, rows = np.arange(len(self.left)), np.arange(len(points))[:, None]
        nodes = np.zeros((len(points), len(trees)), np.int64)
        for _ in range(depth):
            at = trees, nodes
            is_left = points[rows, self.features[at]] <= self.thresholds[at]
            nodes = np.where(is_left, self.left[at], self.right[at]).astype(np.int64)
        mean = self.paths[trees, nodes].mean(axis=1)
        scores: Floats = np.exp2(-mean / float(mean_path(np.array([num_samples]))[0]))
        return scores

    def mean_paths(self, num_samples: int, depth: int) -> Floats:
        """Return the mean path (T, K) of the training points that pass each node.

        How many end at a leaf is known by the length of its path.
        """
        numbers = np.arange(self.left.shape[1])
        trees, nodes = np.nonzero(self.left > numbers)  # inner nodes come before their children
        parents = np.full(self.left.shape, -1)
        for children in (self.left, self.right):
            parents[trees, children[trees, nodes]] = nodes
        is_below, above = parents >= 0, np.maximum(parents, 0)
        levels = np.zeros(parents.shape, np.int64)
        for _ in range(depth):
            levels = np.where(is_below, np.take_along_axis(levels, above, axis=1) + 1, 0)
        is_leaf = (self.left == numbers) & (is_below | (numbers == 0))
        lengths = mean_path(np.arange(1, num_samples + 1))
        counts = 1.0 + np.searchsorted(lengths, self.paths - levels - 1e-6)
        mass = np.where(is_leaf, counts, 0.0)
        total = mass * self.paths
        for level in range(depth, 0, -1):
            at = np.nonzero(is_below & (levels == level))
            np.add.at(mass, (at[0], parents[at]), mass[at])
            np.add.at(total, (at[0], parents[at]), total[at])
        return total / np.maximum(mass, 1.0)

    def credits(self, points: Floats, mean_paths: Floats, depth: int) -> Floats:
        """Return how much shorter splits on each feature make the paths of points, (n, features).

        Each split on the way is credited with what it takes off the `mean_paths`; so the credits
        sum to the mean over the trees of the usual path less the point's.

        Source: Palczewska, Palczewski, Robinson and Neagu, 2013, "Interpreting random forest models
        using a feature contribution method", IEEE IRI.
        """
        points = points.astype(np.float32)
        num, num_features = points.shape
        trees, rows = np.arange(len(self.left)), np.arange(num)[:, None]
        nodes, total = np.zeros((num, len(trees)), np.int64), np.zeros(points.size)
        for _ in range(depth):
            at = trees, nodes
            features = self.features[at].astype(np.int64)
            is_left = points[rows, features] <= self.thresholds[at]
            below = np.where(is_left, self.left[at], self.right[at]).astype(np.int64)
            shorter = mean_paths[at] - mean_paths[trees, below]
            places = num_features * rows + features
            total += np.bincount(places.ravel(), shorter.ravel(), len(total))
            nodes = below
        return total.reshape(num, num_features) / len(trees)


def fit_trees(points: Floats, num_trees: int, max_samples: int, seed: int) -> IsolationTrees:
    """Fit trees with scikit-learn; the same arguments give the same trees.

    Args:
        points: (n, features), n >= 2.
        num_trees: T.
        max_samples: training points of a tree, at most n of them are used; K = 2 max_samples - 1.
        seed: of the random samples and splits.

    Source: Liu, Ting and Zhou, 2008, "Isolation Forest", ICDM.
    """
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(
        n_estimators=num_trees, max_samples=min(max_samples, len(points)), random_state=seed
    )
    forest.fit(points.astype(np.float32))
    shape = num_trees, 2 * max_samples - 1
    trees = IsolationTrees(
        np.zeros(shape, np.uint16),
        np.zeros(shape),
        np.zeros(shape, np.uint16),
        np.zeros(shape, np.uint16),
        np.zeros(shape),
    )
    for number, estimator in enumerate(forest.estimators_):
        for at, part in enumerate(_tree_arrays(estimator.tree_)):
            trees[at][number, : len(part)] = part
    return trees


def _tree_arrays(tree: Any) -> tuple[NDArray[Any], ...]:
    """Return features, thresholds, children and paths (nodes,) of one of scikit-learn's trees."""
    numbers = np.arange(tree.node_count)
    is_leaf = tree.children_left < 0
    left = np.where(is_leaf, numbers, tree.children_left)
    right = np.where(is_leaf, numbers, tree.children_right)
    depths = np.zeros(tree.node_count)
    for node in np.flatnonzero(~is_leaf).tolist():  # a parent comes before its children
        depths[[left[node], right[node]]] = depths[node] + 1
    paths = np.where(is_leaf, depths + mean_path(tree.n_node_samples), 0.0)
    return np.where(is_leaf, 0, tree.feature), tree.threshold, left, right, paths


def mean_path(counts: NDArray[np.int64]) -> Floats:
    """Return the mean path length (n,) of an unsuccessful search among that many points."""
    large = np.maximum(counts, 3).astype(np.float64)
    mean = 2.0 * (np.log(large - 1.0) + _EULER) - 2.0 * (large - 1.0) / large
    return np.where(counts <= 1, 0.0, np.where(counts == 2, 1.0, mean))


def longest_path(max_samples: int) -> int:
    """Return the depth at which scikit-learn stops splitting."""
    return int(np.ceil(np.log2(max(max_samples, 2))))
