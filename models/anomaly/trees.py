"""Half-space trees: random binary trees over a box, independent of the data.

Source: Tan, Ting and Liu, 2011, "Fast Anomaly Detection for Streaming Data", IJCAI.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Size of the cache of trees, one entry for each number of features.
_MAX_TEMPLATES = 32


class Trees:
    """`num_trees` full binary trees of `depth` splits over `num_features` numbers in [0, 1].

    Each tree splits on `features_per_tree` features only (in the paper: on all), or on as many as
    are needed for every feature to be in a tree. With few features a tree of a given depth splits
    them more finely. Nodes are numbered as in a heap: the root is 0, the children of i are 2i + 1
    and 2i + 2.
    """

    def __init__(
        self, num_trees: int, depth: int, num_features: int, features_per_tree: int, seed: int
    ) -> None:
        self.num_trees, self.depth = num_trees, depth
        self.num_nodes = num_nodes(depth)
        rng = np.random.default_rng([seed, num_features])
        per_tree = _share_out(rng, num_trees, num_features, features_per_tree)
        which = rng.integers(per_tree.shape[1], size=(num_trees, 2**depth - 1))
        self._features: Ints = np.take_along_axis(per_tree, which, axis=1)
        self._cuts: Floats = np.empty(self._features.shape)
        low, high = _work_ranges(rng, num_trees, num_features)
        for level in range(depth):
            low, high = self._cut_level(level, low, high)
        self._offsets = np.arange(num_trees) * self._features.shape[1]
        self._has_one_feature = per_tree.shape[1] == 1
        if self._has_one_feature:
            self._ascending = np.sort(self._cuts, axis=1)

    def _cut_level(self, level: int, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Split the nodes of a level at the middle of their feature; return the children's boxes.

        Args:
            level: 0 is the root.
            low: (num_trees, 2^level, num_features), lower ends of the nodes' boxes.
            high: upper ends of the boxes.
        """
        nodes = slice(2**level - 1, 2 ** (level + 1) - 1)
        at = self._features[:, nodes, None]
        middle = (np.take_along_axis(low, at, 2) + np.take_along_axis(high, at, 2)) / 2
        self._cuts[:, nodes] = middle[..., 0]
        low, high = np.repeat(low, 2, axis=1), np.repeat(high, 2, axis=1)
        np.put_along_axis(high[:, 0::2], at, middle, 2)
        np.put_along_axis(low[:, 1::2], at, middle, 2)
        return low, high

    def features_of(self, nodes: Ints) -> Ints:
        """Return the feature (n, num_trees) that each tree splits on at its inner node."""
        features: Ints = self._features.ravel()[self._offsets + nodes]
        return features

    def leaves(self, points: Floats) -> Ints:
        """Return which leaf of each tree a point falls into, from left to right.

        The node on the way there at a level is 2^level - 1 + (leaf >> (depth - level)).

        Args:
            points: (n, num_features); they may be outside of [0, 1], but not NaN.

        Returns:
            (n, num_trees) from 0 to 2^depth - 1.
        """
        if self._has_one_feature:
            return self._leaves_of_one_feature(points)
        node = np.zeros((len(points), self.num_trees), np.int64)
        features, cuts, at = self._features.ravel(), self._cuts.ravel(), np.arange(len(points))
        for _ in range(self.depth):
            inner = node + self._offsets
            right = points[at[:, None], features[inner]] >= cuts[inner]
            node = 2 * node + 1 + right
        leaves: Ints = node - (2**self.depth - 1)
        return leaves

    def _leaves_of_one_feature(self, points: Floats) -> Ints:
        """Count the cuts at or below a point: a tree of one feature only orders its values."""
        columns = np.ascontiguousarray(points.T)
        leaves = np.empty((self.num_trees, len(points)), np.int64)
        for tree, feature in enumerate(self._features[:, 0].tolist()):
            leaves[tree] = np.searchsorted(self._ascending[tree], columns[feature], side="right")
        return np.ascontiguousarray(leaves.T)

    def counts(self, points: Sequence[Floats]) -> Ints:
        """Return how many points pass each node, (sources, num_trees, nodes).

        Args:
            points: of each source, (n, num_features).
        """
        width, shape = 2**self.depth, (len(points), self.num_trees)
        at = self.leaves(np.concatenate(points)) + width * np.arange(self.num_trees)
        sources = np.repeat(np.arange(len(points)), [len(each) for each in points])
        at += (width * self.num_trees) * sources[:, None]
        level = np.bincount(at.ravel(), minlength=width * self.num_trees * len(points))
        levels = [level.reshape(*shape, width)]
        while levels[0].shape[2] > 1:
            levels.insert(0, levels[0][..., 0::2] + levels[0][..., 1::2])
        return np.concatenate(levels, axis=2)


def num_nodes(depth: int) -> int:
    """Return the number of nodes of a tree of that depth, leaves included."""
    return int(2 ** (depth + 1)) - 1


def _share_out(rng: np.random.Generator, trees: int, features: int, per_tree: int) -> Ints:
    """Return feature numbers (trees, k); each feature occurs about equally often."""
    k = min(max(per_tree, -(-features // trees)), features)
    rounds = [rng.permutation(features) for _ in range(-(-trees * k // features))]
    return np.concatenate(rounds)[: trees * k].reshape(trees, k)


def _work_ranges(rng: np.random.Generator, trees: int, features: int) -> tuple[Floats, Floats]:
    """Return each tree's box: around a random point of [0, 1], and wide enough to contain it."""
    center = rng.random((trees, 1, features))
    reach = 2 * np.maximum(center, 1 - center)
    return center - reach, center + reach


@lru_cache(maxsize=_MAX_TEMPLATES)
def trees_for(
    num_trees: int, depth: int, num_features: int, features_per_tree: int, seed: int
) -> Trees:
    """Return trees from a cache; the same arguments give the same trees."""
    return Trees(num_trees, depth, num_features, features_per_tree, seed)
