"""Random cut trees of one source as arrays: insert and delete points, expected displacement.

All trees take a step together. A node's id is below `max_samples - 1` if it is an inner node, else
that of a leaf. A point goes to the left if its value is at most the node's cut. Among equal points
there is no cut: a node whose box is a single point has any shape below it.

Source: Guha, Mishra, Roy and Schrijvers, 2016, "Robust Random Cut Forest Based Anomaly Detection
on Streams", ICML.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NONE = -1
#: A distance of so many spreads from a box is nothing: a point that is hardly out of it is hardly
#: cut off.
_TOLERANCE = 0.01
#: With less than this chance to be taken off further below, a point counts as like the samples.
_LEAST_CHANCE = 1e-3


class Displaced(NamedTuple):
    """What n points would displace, as means over the trees."""

    expected: Floats
    """(n,) the expected collusive displacement, from 0 to the number of samples."""
    by_feature: Floats
    """(n, D) the part of it that cuts in each feature cause."""


class _Flat:
    """Views of the trees' nodes, one after another: taking rows of them is fast."""

    def __init__(self, trees: CutTrees) -> None:
        features = trees.low.shape[2]
        self.low, self.high = trees.low.reshape(-1, features), trees.high.reshape(-1, features)
        self.left, self.right = trees.left.reshape(-1), trees.right.reshape(-1)
        self.feature, self.cut = trees.feature.reshape(-1), trees.cut.reshape(-1)
        self.mass = trees.mass.reshape(-1)


class CutTrees:
    """T trees over the same number of samples each, at most `max_samples`, of points (D,)."""

    def __init__(self, num_trees: int, max_samples: int, num_features: int) -> None:
        nodes = 2 * max_samples - 1
        self.max_samples = max_samples
        self.count = 0
        """Samples in each tree."""
        self.root = np.full(num_trees, _NONE, np.int64)
        self.left = np.full((num_trees, nodes), _NONE, np.int32)
        self.right = np.full((num_trees, nodes), _NONE, np.int32)
        self.parent = np.full((num_trees, nodes), _NONE, np.int32)
        self.feature = np.zeros((num_trees, nodes), np.int32)
        self.cut = np.zeros((num_trees, nodes))
        self.mass = np.zeros((num_trees, nodes), np.int32)
        self.low = np.zeros((num_trees, nodes, num_features))
        self.high = np.zeros((num_trees, nodes, num_features))

    @property
    def is_full(self) -> bool:
        """Whether each further point takes the place of another one."""
        return self.count == self.max_samples

    def grow(self, point: Floats, weights: Floats, rng: np.random.Generator) -> None:
        """Insert a point (D,) into all trees, which must not be full."""
        trees = np.arange(len(self.root))
        leaf, inner = self.max_samples - 1 + self.count, self.count - 1
        if self.count == 0:
            self._set_leaf(trees, np.full(len(trees), leaf), point[None])
            self.root[:] = leaf
        else:
            size = len(trees)
            points = np.broadcast_to(point, (size, len(point)))
            self._insert(trees, np.full(size, leaf), np.full(size, inner), points, weights, rng)
        self.count += 1

    def replace(
        self, trees: Ints, samples: Ints, points: Floats, weights: Floats, rng: np.random.Generator
    ) -> None:
        """Replace the samples (k,) of distinct full trees (k,) by points (k, D)."""
        leaves = self.max_samples - 1 + samples
        inner = self._delete(trees, leaves)
        self._insert(trees, leaves, inner, points, weights, rng)

    def _set_leaf(self, trees: Ints, leaves: Ints, points: Floats) -> None:
        self.low[trees, leaves] = self.high[trees, leaves] = points
        self.mass[trees, leaves] = 1
        self.parent[trees, leaves] = _NONE

    def _delete(self, trees: Ints, leaves: Ints) -> Ints:
        """Remove leaves (k,) with their parents, whose ids (k,) are returned."""
        parents = self.parent[trees, leaves].astype(np.int64)
        is_left = self.left[trees, parents] == leaves
        siblings = np.where(is_left, self.right[trees, parents], self.left[trees, parents])
        above = self.parent[trees, parents].astype(np.int64)
        self._hang(trees, above, parents, siblings.astype(np.int64))
        at, nodes = trees, above
        while (has := nodes != _NONE).any():
            at, nodes = at[has], nodes[has]
            left, right = self.left[at, nodes], self.right[at, nodes]
            self.mass[at, nodes] -= 1
            self.low[at, nodes] = np.minimum(self.low[at, left], self.low[at, right])
            self.high[at, nodes] = np.maximum(self.high[at, left], self.high[at, right])
            nodes = self.parent[at, nodes].astype(np.int64)
        return parents

    def _hang(self, trees: Ints, above: Ints, old: Ints, new: Ints) -> None:
        """Put the nodes `new` in the places of `old` below `above`, or at the roots."""
        self.parent[trees, new] = above
        is_root = above == _NONE
        self.root[trees[is_root]] = new[is_root]
        is_left = ~is_root & (self.left[trees, above] == old)
        is_right = ~is_root & ~is_left
        self.left[trees[is_left], above[is_left]] = new[is_left]
        self.right[trees[is_right], above[is_right]] = new[is_right]

    def _insert(
        self,
        trees: Ints,
        leaves: Ints,
        inner: Ints,
        points: Floats,
        weights: Floats,
        rng: np.random.Generator,
    ) -> None:
        """Insert points (k, D) as `leaves` (k,) of distinct trees, below new nodes `inner`.

        At each node on the way down, a random cut of the box extended by the point takes the point
        off with the probability of the part outside of the node's box (theorem 3 of the paper).
        """
        self._set_leaf(trees, leaves, points)
        nodes = self.root[trees]
        while len(trees):
            low, high = self.low[trees, nodes], self.high[trees, nodes]
            outside = weights * (np.maximum(low - points, 0.0) + np.maximum(points - high, 0.0))
            total = outside.sum(axis=1)
            width = (weights * (high - low)).sum(axis=1)
            dice = rng.random((len(trees), 3))
            is_off = dice[:, 0] * (width + total) < total
            is_off |= nodes >= self.max_samples - 1
            off = np.flatnonzero(is_off)
            if len(off):
                self._cut_off(
                    trees[off], nodes[off], leaves[off], inner[off], outside[off], dice[off]
                )
            on = np.flatnonzero(~is_off)
            trees, nodes, leaves, inner = trees[on], nodes[on], leaves[on], inner[on]
            points, dice = points[on], dice[on]
            self.low[trees, nodes] = np.minimum(low[on], points)
            self.high[trees, nodes] = np.maximum(high[on], points)
            self.mass[trees, nodes] += 1
            features = self.feature[trees, nodes]
            is_left = points[np.arange(len(on)), features] <= self.cut[trees, nodes]
            # Equal points go anywhere, or the tree would become a list.
            is_left = np.where(width[on] == 0.0, dice[:, 1] < 0.5, is_left)
            nodes = np.where(is_left, self.left[trees, nodes], self.right[trees, nodes])
            nodes = nodes.astype(np.int64)

    def _cut_off(
        self, trees: Ints, nodes: Ints, leaves: Ints, inner: Ints, outside: Floats, dice: Floats
    ) -> None:
        """Make each node and its leaf the children of a new node, with a random cut between."""
        rows = np.arange(len(trees))
        reach = np.cumsum(outside, axis=1)
        chosen = (reach <= dice[:, 1:2] * reach[:, -1:]).sum(axis=1)
        features = np.minimum(chosen, outside.shape[1] - 1)
        point = self.low[trees, leaves][rows, features]
        low = self.low[trees, nodes][rows, features]
        high = self.high[trees, nodes][rows, features]
        is_below = point < low
        start, end = np.where(is_below, point, high), np.where(is_below, low, point)
        cut = start + dice[:, 2] * (end - start)
        # Rounding must not move the upper point to the left side.
        cut = np.where(cut < end, cut, start)
        is_left = is_below | (end == start)
        self._hang(trees, self.parent[trees, nodes].astype(np.int64), nodes, inner)
        self.left[trees, inner] = np.where(is_left, leaves, nodes)
        self.right[trees, inner] = np.where(is_left, nodes, leaves)
        self.parent[trees, nodes] = self.parent[trees, leaves] = inner
        self.feature[trees, inner], self.cut[trees, inner] = features, cut
        self.mass[trees, inner] = self.mass[trees, nodes] + 1
        points = self.low[trees, leaves]
        self.low[trees, inner] = np.minimum(self.low[trees, nodes], points)
        self.high[trees, inner] = np.maximum(self.high[trees, nodes], points)

    def displacement(self, points: Floats, weights: Floats) -> Displaced:
        """Return what inserting each of n points (n, D) would displace; changes nothing.

        The collusive displacement of a point is the largest ratio, over all sets of samples
        together with it that hang below one node, of the samples that they displace to their
        number. Its expectation over the cuts that would take the point off is computed, instead
        of drawing one.

        Args:
            points: in the unit of the samples.
            weights: (D,) lengths are compared after multiplication by these.
        """
        num_trees, num_nodes = self.left.shape
        flat = _Flat(self)
        shape = len(points), num_trees
        pairs = np.arange(len(points) * num_trees)
        base = np.tile(np.arange(num_trees) * num_nodes, len(points))
        nodes = np.tile(self.root, len(points))
        own, chance = np.repeat(points, num_trees, axis=0), np.ones(len(pairs))
        displaced = np.zeros(len(pairs))
        """The largest ratio above the node."""
        expected, by_feature = np.zeros(len(pairs)), np.zeros(own.shape)
        while len(pairs):
            at = base + nodes
            low, high = flat.low.take(at, axis=0), flat.high.take(at, axis=0)
            outside = weights * (np.maximum(low - own, 0.0) + np.maximum(own - high, 0.0))
            total = outside.sum(axis=1)
            width = (weights * (high - low)).sum(axis=1)
            is_off = chance * total / (width + total + _TOLERANCE)
            ratio = is_off * np.maximum(displaced, flat.mass.take(at))
            by_feature[pairs] += outside * (ratio / np.where(total > 0, total, 1.0))[:, None]
            chance = chance - is_off
            is_end = (nodes >= self.max_samples - 1) | (width == 0.0) | (chance < _LEAST_CHANCE)
            # What is not taken off at the end is like the samples there.
            expected[pairs] += ratio + np.where(is_end, chance * displaced, 0.0)
            on = np.flatnonzero(~is_end)
            at, pairs, base, own = at[on], pairs[on], base[on], own[on]
            is_left = own[np.arange(len(on)), flat.feature.take(at)] <= flat.cut.take(at)
            left, right = flat.left.take(at), flat.right.take(at)
            nodes = np.where(is_left, left, right)
            others = flat.mass.take(base + np.where(is_left, right, left))
            ratio = others / (flat.mass.take(base + nodes) + 1.0)
            displaced, chance = np.maximum(displaced[on], ratio), chance[on]
        means = by_feature.reshape(*shape, -1).mean(axis=1)
        return Displaced(expected.reshape(shape).mean(axis=1), means)

    def rebuild(self, points: Floats) -> bool:
        """Make boxes and masses again from points (T, max_samples, D) and the links.

        Returns:
            Whether the links are those of trees over the first `count` samples.
        """
        if not self._has_valid_links():
            return False
        first = self.max_samples - 1
        self.low[:, first:] = self.high[:, first:] = points
        levels: list[tuple[Ints, Ints]] = []
        trees, nodes = np.arange(len(self.root)), self.root
        while len(trees):
            levels.append((trees, nodes))
            if len(levels) > self.max_samples:
                return False
            is_inner = nodes < first
            trees, nodes = np.tile(trees[is_inner], 2), nodes[is_inner]
            above = np.tile(nodes, 2)
            half = len(nodes)
            nodes = np.concatenate(
                [self.left[trees[:half], nodes], self.right[trees[:half], nodes]]
            )
            nodes = nodes.astype(np.int64)
            if len(trees) and ((nodes < 0).any() or (self.parent[trees, nodes] != above).any()):
                return False
        return self._sum_up(levels)

    def _has_valid_links(self) -> bool:
        nodes = self.left.shape[1]
        links = [self.left, self.right, self.parent, self.feature]
        low = min(int(link.min()) for link in links)
        high = max(int(link.max()) for link in links[:3])
        return (
            low >= _NONE
            and high < nodes
            and 1 <= self.count <= self.max_samples
            and 0 <= int(self.feature.min()) <= int(self.feature.max()) < self.low.shape[2]
            and 0 <= int(self.root.min()) <= int(self.root.max()) < nodes
            and bool((self.parent[np.arange(len(self.root)), self.root] == _NONE).all())
        )

    def _sum_up(self, levels: list[tuple[Ints, Ints]]) -> bool:
        """Fill in masses and boxes from the last level to the root."""
        first = self.max_samples - 1
        for trees, nodes in reversed(levels):
            is_inner = nodes < first
            self.mass[trees[~is_inner], nodes[~is_inner]] = 1
            at, inner = trees[is_inner], nodes[is_inner]
            left, right = self.left[at, inner], self.right[at, inner]
            self.mass[at, inner] = self.mass[at, left] + self.mass[at, right]
            self.low[at, inner] = np.minimum(self.low[at, left], self.low[at, right])
            self.high[at, inner] = np.maximum(self.high[at, left], self.high[at, right])
        masses = self.mass[np.arange(len(self.root)), self.root]
        return bool((masses == self.count).all())
