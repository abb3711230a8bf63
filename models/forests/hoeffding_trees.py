"""Several Hoeffding trees in common arrays: a step's rows are routed and learned in all of them.

A leaf keeps the number of each class, and for each class and feature a normal distribution. It is
split once the better of two splits is surely better. Sources: Domingos and Hulten, 2000, "Mining
High-Speed Data Streams"; Gama et al., 2003 (naive Bayes leaves); Pfahringer et al., 2008,
"Handling Numeric Attributes in Hoeffding Trees" (normal distributions).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.base import ModelError
from models.forests.counted_chance import uniform
from models.snapshots import Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Values of river's forest: rows between two attempts, the bound's confidence, and the tie.
_GRACE = 50.0
_DELTA = 0.01
_TIE = 0.05
_CUTS = 10
_LEAST_VARIANCE = 1e-9
#: Arrays of a node, and the number to fill a new one with.
_FIELDS = ("feature", "threshold", "left", "right", "tree", "counts", "means", "spreads", "low",
           "high", "tried_at", "bayes_right", "count_right", "allowed")  # fmt: skip


class Votes(NamedTuple):
    """What each tree says of each row."""

    leaves: Ints
    """(B, T)"""
    by_counts: Floats
    """(B, T, C), rows sum to 1."""
    by_bayes: Floats
    """(B, T, C), rows sum to 1."""


class HoeffdingTrees:
    """T trees over F features and C classes, which may become more.

    Memory: about 24 C F bytes for each of at most T * max_nodes nodes.
    """

    def __init__(self, num_trees: int, num_features: int, max_nodes: int, seed: int) -> None:
        self.num_trees, self.num_features = num_trees, num_features
        self._max_nodes, self._seed = max_nodes, seed
        self._num_tried = max(round(math.sqrt(num_features)), min(num_features, 2))
        self.num_classes = 1
        self.roots = np.zeros(num_trees, np.int64)
        self.num_nodes = 0
        self.num_made = 0
        """Nodes ever made: seeds the features that a leaf may split by."""
        self._allocate(2 * num_trees)
        for tree in range(num_trees):
            self.roots[tree] = self._new_node(tree)

    def _allocate(self, size: int) -> None:
        shape = (size, self.num_classes, self.num_features)
        self.feature = np.full(size, -1, np.int64)
        self.threshold = np.zeros(size)
        self.left, self.right = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self.tree = np.zeros(size, np.int64)
        self.counts = np.zeros(shape[:2])
        self.means, self.spreads = np.zeros(shape), np.zeros(shape)
        self.low = np.full((size, self.num_features), np.inf)
        self.high = np.full((size, self.num_features), -np.inf)
        self.tried_at = np.zeros(size)
        self.bayes_right, self.count_right = np.zeros(size), np.zeros(size)
        self.allowed = np.zeros((size, self._num_tried), np.int64)

    def _resize(self, rows: Ints | slice, size: int, num_classes: int) -> None:
        """Copy some rows to new arrays, the first ones there."""
        old = {name: getattr(self, name)[rows] for name in _FIELDS}
        self.num_classes = num_classes
        self._allocate(size)
        for name, values in old.items():
            array = getattr(self, name)
            if name in ("counts", "means", "spreads"):
                array[: len(values), : values.shape[1]] = values
            else:
                array[: len(values)] = values

    def add_classes(self, num_classes: int) -> None:
        """Make room for classes."""
        if num_classes > self.num_classes:
            self._resize(slice(None), len(self.feature), num_classes)

    def _new_node(self, tree: int) -> int:
        if self.num_nodes == len(self.feature):
            self._resize(slice(None), 2 * self.num_nodes, self.num_classes)
        node = self.num_nodes
        self.num_nodes += 1
        self.tree[node] = tree
        counters = np.arange(self.num_features)
        order = np.argsort(uniform(self._seed + 1, np.array(self.num_made), counters))
        self.allowed[node] = np.sort(order[: self._num_tried])
        self.num_made += 1
        return node

    def replace(self, tree: int, by: int | None) -> None:
        """Let a tree be a new one, or take the place of another, which is then new."""
        if by is not None:
            moved = np.flatnonzero(self.tree[: self.num_nodes] == by)
        gone = self.tree[: self.num_nodes] == tree
        if by is not None:
            self.tree[moved] = tree
            self.roots[tree] = self.roots[by]
        self._remove(gone)
        if by is None:
            self.roots[tree] = self._new_node(tree)
        else:
            self.roots[by] = self._new_node(by)

    def _remove(self, gone: NDArray[np.bool_]) -> None:
        """Drop nodes and renumber the others."""
        kept = np.flatnonzero(~gone)
        number = np.zeros(len(gone), np.int64)
        number[kept] = np.arange(len(kept))
        self._resize(kept, len(self.feature), self.num_classes)
        self.num_nodes = len(kept)
        self.left[: len(kept)] = number[self.left[: len(kept)]]
        self.right[: len(kept)] = number[self.right[: len(kept)]]
        self.roots = number[self.roots]

    def votes(self, rows: Floats) -> Votes:
        """Return each tree's votes on rows (B, F)."""
        leaves = self._leaves(rows)
        counts = self.counts[leaves]
        total = counts.sum(axis=2, keepdims=True)
        by_counts = np.where(total > 0, counts / np.maximum(total, 1e-300), 1 / self.num_classes)
        return Votes(leaves, by_counts, self._bayes(rows, leaves, counts))

    def _leaves(self, rows: Floats) -> Ints:
        nodes = np.broadcast_to(self.roots, (len(rows), self.num_trees)).copy()
        at = np.arange(len(rows))[:, None]
        while (inner := self.feature[nodes] >= 0).any():
            is_left = rows[at, np.maximum(self.feature[nodes], 0)] <= self.threshold[nodes]
            nodes = np.where(inner, np.where(is_left, self.left[nodes], self.right[nodes]), nodes)
        return nodes

    def _bayes(self, rows: Floats, leaves: Ints, counts: Floats) -> Floats:
        """Return naive Bayes' probabilities, (B, T, C)."""
        used, back = np.unique(leaves, return_inverse=True)
        variance = self.spreads[used] / np.maximum(self.counts[used], 1.0)[:, :, None]
        variance = np.maximum(variance, _LEAST_VARIANCE * (1 + self.means[used] ** 2))
        scale = np.log(variance).sum(axis=2)
        back = back.reshape(leaves.shape)
        away = rows[:, None, None, :] - self.means[used][back]
        logs = -0.5 * ((away * away / variance[back]).sum(axis=3) + scale[back])
        with np.errstate(divide="ignore"):
            logs = np.where(counts > 0, logs + np.log(counts), -np.inf)
        best = logs.max(axis=2, keepdims=True)
        powers = np.exp(logs - np.where(np.isfinite(best), best, 0.0))
        total = powers.sum(axis=2, keepdims=True)
        return np.where(total > 0, powers / np.maximum(total, 1e-300), 1 / self.num_classes)

    def learn(self, rows: Floats, classes: Ints, weights: Floats, votes: Votes) -> None:
        """Learn rows (B, F) with classes (B,) and each tree's weights (B, T), then split leaves.

        `votes` are those on the rows before they are learned.
        """
        right = (np.argmax(votes.by_bayes, axis=2) == classes[:, None]) * weights
        np.add.at(self.bayes_right, votes.leaves, right)
        right = (np.argmax(votes.by_counts, axis=2) == classes[:, None]) * weights
        np.add.at(self.count_right, votes.leaves, right)
        at, tree = np.nonzero(weights)
        leaves = votes.leaves[at, tree]
        keys = leaves * self.num_classes + classes[at]
        self._add_groups(rows[at], keys, weights[at, tree])
        np.minimum.at(self.low, leaves, rows[at])
        np.maximum.at(self.high, leaves, rows[at])
        self._try_splits(np.unique(leaves))

    def _add_groups(self, rows: Floats, keys: Ints, weights: Floats) -> None:
        """Merge weighted rows into the distributions of leaf and class (Chan et al., 1979)."""
        order = np.argsort(keys, kind="stable")
        rows, keys, weights = rows[order], keys[order], weights[order][:, None]
        if not len(keys):
            return
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        leaf, klass = np.divmod(keys[starts], self.num_classes)
        group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(keys)]))
        count = np.add.reduceat(weights, starts)
        mean = np.add.reduceat(weights * rows, starts) / count
        spread = np.add.reduceat(weights * (rows - mean[group]) ** 2, starts)
        had = self.counts[leaf, klass][:, None]
        away = mean - self.means[leaf, klass]
        total = had + count
        self.counts[leaf, klass] = total[:, 0]
        self.means[leaf, klass] += away * count / total
        self.spreads[leaf, klass] += spread + away**2 * had * count / total

    def _try_splits(self, leaves: Ints) -> None:
        """Split each leaf of which one split is surely better than the next."""
        counts = self.counts[leaves]
        totals = counts.sum(axis=1)
        num_classes = np.count_nonzero(counts, axis=1)
        is_due = (totals - self.tried_at[leaves] >= _GRACE) & (num_classes >= 2)
        leaves, totals, num_classes = leaves[is_due], totals[is_due], num_classes[is_due]
        if not len(leaves):
            return
        self.tried_at[leaves] = totals
        gains, cuts, lefts = self._splits(leaves)
        ranked = np.sort(gains, axis=1)
        second = np.maximum(ranked[:, -2], 0.0) if gains.shape[1] > 1 else 0.0
        bounds = np.log2(num_classes) * np.sqrt(math.log(1 / _DELTA) / (2 * totals))
        is_sure = (ranked[:, -1] - second > bounds) | (bounds < _TIE)
        best = np.argmax(gains, axis=1)
        for i in np.flatnonzero((ranked[:, -1] > 0) & is_sure).tolist():
            leaf, k = int(leaves[i]), int(best[i])
            tree = int(self.tree[leaf])
            if np.count_nonzero(self.tree[: self.num_nodes] == tree) + 2 <= self._max_nodes:
                feature = int(self.allowed[leaf, k])
                self._split(leaf, tree, feature, float(cuts[i, k]), lefts[i, k])

    def _splits(self, leaves: Ints) -> tuple[Floats, Floats, Floats]:
        """Return the best split of L leaves by each of their m allowed features.

        Returns:
            Gains (L, m) in bits, thresholds (L, m), and expected counts to the left (L, m, C).
        """
        features, counts = self.allowed[leaves], self.counts[leaves][:, None, None, :]
        low = self.low[leaves[:, None], features][:, :, None]
        high = self.high[leaves[:, None], features][:, :, None]
        cuts = low + (high - low) * np.arange(1, _CUTS + 1) / (_CUTS + 1)
        at = features[:, None, :]
        spreads = np.take_along_axis(self.spreads[leaves], at, axis=2).transpose(0, 2, 1)
        means = np.take_along_axis(self.means[leaves], at, axis=2).transpose(0, 2, 1)
        deviation = np.sqrt(spreads[:, :, None, :] / np.maximum(counts, 1.0))
        away = cuts[..., None] - means[:, :, None, :]
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.where(deviation > 0, ndtr(away / deviation), away >= 0)
        lefts = below * counts
        rights = counts - lefts
        n_left, n_right = lefts.sum(axis=3), rights.sum(axis=3)
        total = n_left + n_right
        after = (n_left * _entropy(lefts) + n_right * _entropy(rights)) / total
        is_fair = (np.minimum(n_left, n_right) > 0.01 * total) & (high > low)
        gains = np.where(is_fair, _entropy(counts) - after, -1.0)
        best = np.argmax(gains, axis=2)[:, :, None]
        left = np.take_along_axis(lefts, best[..., None], axis=2)[:, :, 0]
        return (
            np.take_along_axis(gains, best, axis=2)[:, :, 0],
            np.take_along_axis(cuts, best, axis=2)[:, :, 0],
            left,
        )

    def _split(self, leaf: int, tree: int, feature: int, cut: float, left: Floats) -> None:
        right = self.counts[leaf] - left
        for counts, side in ((left, "left"), (right, "right")):
            child = self._new_node(tree)
            getattr(self, side)[leaf] = child
            # What the parent's distributions say, until the child has seen rows.
            self.counts[child] = 0.0
            self._seed_child(child, leaf, counts, feature, cut, side == "left")
        self.feature[leaf], self.threshold[leaf] = feature, cut

    def _seed_child(
        self, child: int, leaf: int, counts: Floats, feature: int, cut: float, is_left: bool
    ) -> None:
        """Give a new leaf the expected class counts, at a weight that its own rows soon exceed."""
        total = counts.sum()
        weight = min(1.0, 10.0 / total) if total > 0 else 0.0
        self.counts[child] = counts * weight
        self.means[child] = self.means[leaf]
        share = self.counts[child] / np.maximum(self.counts[leaf], 1e-300)
        self.spreads[child] = self.spreads[leaf] * share[:, None]
        self.tried_at[child] = self.counts[child].sum()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays of a snapshot: the nodes in use."""
        used = {f"node_{name}": getattr(self, name)[: self.num_nodes] for name in _FIELDS}
        shape = np.array([self.num_nodes, self.num_made, self.num_classes])
        return {**used, "roots": self.roots, "forest": shape}

    def load(self, saved: Snapshot) -> None:
        """Take what `arrays` gave.

        Raises:
            ModelError: an array is absent or has another shape, or a node leads nowhere.
        """
        ints = np.zeros(0, np.int64)
        num_nodes, self.num_made, self.num_classes = saved.array("forest", ints, 3).tolist()
        if not (0 < num_nodes < 2**24 and 0 < self.num_classes < 2**24):
            raise ModelError("the snapshot has no forest: it is damaged")
        self._allocate(num_nodes)
        self.num_nodes = num_nodes
        for name in _FIELDS:
            array = getattr(self, name)
            setattr(self, name, saved.array(f"node_{name}", array, *array.shape))
        self.roots = saved.array("roots", ints, self.num_trees)
        nodes = np.arange(num_nodes)
        inner = self.feature >= 0
        # A child is made after its parent: so no way goes round in a circle.
        ahead = np.minimum(self.left, self.right)[inner] > nodes[inner]
        ends = max(self.left.max(), self.right.max(), self.roots.max()) < num_nodes
        # Without features, as before the first event, nothing is allowed at any node.
        is_feature = max(self.feature.max(), self.allowed.max(initial=-1)) < self.num_features
        if not (ahead.all() and ends and is_feature and self.roots.min() >= 0):
            raise ModelError("the forest in the snapshot is damaged: a node leads nowhere")


def _entropy(counts: Floats) -> Floats:
    """Return the entropy in bits along the last axis."""
    total = counts.sum(axis=-1, keepdims=True)
    shares = np.maximum(counts, 0.0) / np.maximum(total, 1e-300)
    result: Floats = -(shares * np.log2(np.maximum(shares, 1e-300))).sum(axis=-1)
    return result
