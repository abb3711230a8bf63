"""An adaptive random forest: trees on resampled rows, each replaced when its errors rise.

Source: Gomes et al., 2017, "Adaptive random forests for evolving data stream classification",
Machine Learning 106. Differences: a step of rows is learned at once, and the resampling is seeded
by the offset, so that the same log gives the same forest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.forests.adaptive_window import AdaptiveWindow
from models.forests.counted_chance import poisson, uniform
from models.forests.hoeffding_trees import HoeffdingTrees, Votes
from models.snapshots import Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The paper's: mean weight of a row, and chances of a false warning and a false drift.
_MEAN_WEIGHT = 6.0
_WARNING, _DRIFT = 0.01, 0.001


class AdaptiveForest:
    """T voting trees, and behind them T that grow from a warning on, to take their place."""

    def __init__(self, num_trees: int, num_features: int, max_nodes: int, seed: int) -> None:
        self.num_trees, self._seed = num_trees, seed
        self._trees = HoeffdingTrees(2 * num_trees, num_features, max_nodes, seed)
        self._grows = np.zeros(num_trees, np.bool_)
        """Whether the tree behind it grows."""
        self._windows = [AdaptiveWindow(_WARNING, _DRIFT) for _ in range(num_trees)]
        self._right, self._seen = np.zeros(num_trees), np.zeros(num_trees)
        self.num_drifts = 0

    def scores(self, rows: Floats) -> Floats:
        """Return the probability of each class, (B, C) for rows (B, F)."""
        return self._weighed(self._trees.votes(rows))[0]

    def _weighed(self, votes: Votes) -> tuple[Floats, Floats]:
        """Return the forest's probabilities, and those of each tree, (B, 2T, C)."""
        leaves = votes.leaves
        is_bayes = self._trees.bayes_right[leaves] > self._trees.count_right[leaves]
        each = np.where(is_bayes[:, :, None], votes.by_bayes, votes.by_counts)
        accuracy = np.where(self._seen > 0, self._right / np.maximum(self._seen, 1.0), 1.0)
        total = (each[:, : self.num_trees] * accuracy[None, :, None]).sum(axis=1)
        norm = total.sum(axis=1, keepdims=True)
        return np.where(norm > 0, total / np.maximum(norm, 1e-300), 0.0), each

    def learn(self, rows: Floats, classes: Ints, num_classes: int, offsets: Ints) -> Ints:
        """Learn rows (B, F) with classes (B,); return the classes that were expected (B,).

        Args:
            rows: finite.
            classes: below `num_classes`.
            num_classes: known so far.
            offsets: (B,) seed the resampling.
        """
        self._trees.add_classes(num_classes)
        votes = self._trees.votes(rows)
        scores, each = self._weighed(votes)
        trees = np.arange(self.num_trees)
        weights = poisson(uniform(self._seed, offsets[:, None], trees[None]), _MEAN_WEIGHT)
        behind = weights * self._grows
        self._trees.learn(rows, classes, np.concatenate([weights, behind], axis=1), votes)
        is_right = np.argmax(each[:, : self.num_trees], axis=2) == classes[:, None]
        self._watch(is_right)
        expected: Ints = np.argmax(scores, axis=1)
        return expected

    def _watch(self, is_right: NDArray[np.bool_]) -> None:
        """Note each tree's errors, and act on warnings and drifts."""
        num_rows = len(is_right)
        num_right = is_right.sum(axis=0)
        self._right += num_right
        self._seen += num_rows
        for tree, right in enumerate(num_right.tolist()):
            change = self._windows[tree].add(num_rows, num_rows - right)
            if change.is_drift:
                behind = self.num_trees + tree if self._grows[tree] else None
                self._trees.replace(tree, behind)
                self._grows[tree] = False
                self._windows[tree] = AdaptiveWindow(_WARNING, _DRIFT)
                self._right[tree] = self._seen[tree] = 0.0
                self.num_drifts += 1
            elif change.is_warning and not self._grows[tree]:
                self._trees.replace(self.num_trees + tree, None)
                self._grows[tree] = True

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays of a snapshot."""
        sizes = [len(window.counts) for window in self._windows]
        counts = [n for window in self._windows for n in window.counts]
        errors = [n for window in self._windows for n in window.errors]
        return {
            **self._trees.arrays(),
            "grows": self._grows,
            "right": self._right,
            "seen": self._seen,
            "window_sizes": np.array(sizes, np.int64),
            "window_counts": np.array(counts, np.float64),
            "window_errors": np.array(errors, np.float64),
        }

    def load(self, saved: Snapshot) -> None:
        """Take what `arrays` gave; call it on a new forest.

        Raises:
            ModelError: an array is absent, or has another shape.
        """
        self._trees.load(saved)
        like = np.zeros(0)
        self._grows = saved.array("grows", np.zeros(0, np.bool_), self.num_trees)
        self._right = saved.array("right", like, self.num_trees)
        self._seen = saved.array("seen", like, self.num_trees)
        sizes = saved.array("window_sizes", np.zeros(0, np.int64), self.num_trees).tolist()
        counts = saved.array("window_counts", like, sum(sizes)).tolist()
        errors = saved.array("window_errors", like, sum(sizes)).tolist()
        start = 0
        for window, size in zip(self._windows, sizes, strict=True):
            window.counts = counts[start : start + size]
            window.errors = errors[start : start + size]
            start += size
