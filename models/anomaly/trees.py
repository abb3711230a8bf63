"""Half-space trees: random binary trees over a box, made before any data is seen.

Source: Tan, Ting and Liu, 2011, "Fast Anomaly Detection for Streaming Data", IJCAI.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Templates kept, one for each number of features that occurs; they are made again when needed.
_MAX_TEMPLATES = 32


class Trees:
    """`num_trees` full binary trees of `depth` splits over `num_features` numbers in [0, 1].

    Each tree splits along `features_per_tree` features only (the paper: along all), or as many
    as it takes for every feature to have a tree. Few features resolve a tree's depth finer.
    Nodes are numbered as in a heap: the root is 0, the children of i are 2i + 1 and 2i + 2.
    """

    def __init__(
        self, num_trees: int, depth: int, num_features: int, features_per_tree: int, seed: int
    ) -> None:
        self.num_trees, self.depth = num_trees, depth
        self.num_nodes = num_nodes(depth)
        rng = np.random.default_rng([seed, num_features])
        own = _share_out(rng, num_trees, num_features, features_per_tree)
        which = rng.integers(own.shape[1], size=(num_trees, 2**depth - 1))
        self._features: Ints = np.take_along_axis(own, which, axis=1)
        self._cuts: Floats = np.empty(self._features.shape)
        low, high = _work_ranges(rng, num_trees, num_features)
        for level in range(depth):
            low, high = self._cut_level(level, low, high)
        self._offsets = np.arange(num_trees) * self._features.shape[1]

    def _cut_level(self, level: int, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Halve each node of a level along its feature and return the children's boxes.

        Args:
            level: 0 is the root.
            low: (num_trees, 2^level, num_features), the boxes' lower ends.
            high: the upper ends.
        """
        nodes = slice(2**level - 1, 2 ** (level + 1) - 1)
        at = self._features[:, nodes, None]
        middle = (np.take_along_axis(low, at, 2) + np.take_along_axis(high, at, 2)) / 2
        self._cuts[:, nodes] = middle[..., 0]
        low, high = np.repeat(low, 2, axis=1), np.repeat(high, 2, axis=1)
        np.put_along_axis(high[:, 0::2], at, middle, 2)
        np.put_along_axis(low[:, 1::2], at, middle, 2)
        return low, high

    def paths(self, points: Floats) -> Ints:
        """Return the nodes that each point passes, root to leaf.

        Args:
            points: (n, num_features); outside of [0, 1] is allowed.

        Returns:
            (n, num_trees, depth + 1)
        """
        path = np.zeros((len(points), self.num_trees, self.depth + 1), np.int64)
        features, cuts, at = self._features.ravel(), self._cuts.ravel(), np.arange(len(points))
        for level in range(self.depth):
            node = path[:, :, level]
            inner = node + self._offsets
            right = points[at[:, None], features[inner]] >= cuts[inner]
            path[:, :, level + 1] = 2 * node + 1 + right
        return path


def num_nodes(depth: int) -> int:
    """Return how many nodes a tree of that depth has, leaves included."""
    return int(2 ** (depth + 1)) - 1


def _share_out(rng: np.random.Generator, trees: int, features: int, per_tree: int) -> Ints:
    """Return (trees, k) feature numbers, each feature about equally often."""
    k = min(max(per_tree, -(-features // trees)), features)
    rounds = [rng.permutation(features) for _ in range(-(-trees * k // features))]
    return np.concatenate(rounds)[: trees * k].reshape(trees, k)


def _work_ranges(rng: np.random.Generator, trees: int, features: int) -> tuple[Floats, Floats]:
    """Return each tree's box: around a random point of [0, 1], wide enough to cover it twice."""
    center = rng.random((trees, 1, features))
    reach = 2 * np.maximum(center, 1 - center)
    return center - reach, center + reach


@lru_cache(maxsize=_MAX_TEMPLATES)
def trees_for(
    num_trees: int, depth: int, num_features: int, features_per_tree: int, seed: int
) -> Trees:
    """Return the trees of those numbers; the same numbers give the same trees."""
    return Trees(num_trees, depth, num_features, features_per_tree, seed)
