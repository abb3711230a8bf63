"""Streaming linear discriminant analysis: a classifier of vectors that learns label by label.

Each class has a running mean, all share one running covariance, and new classes may come at any
time. One pass is enough, and nothing learned earlier is overwritten as by gradient steps.
Sources: Hayes and Kanan, 2020, "Lifelong Machine Learning with Deep Streaming Linear Discriminant
Analysis", arXiv:1909.01520; shrinkage after Ledoit and Wolf, 2004.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.snapshots import Snapshot

Floats = NDArray[np.float64]

#: The covariance counts as if this many vectors of equal variance in all directions had been seen.
#: Chosen on CLINC150's train and validation parts, of 100, 500 and 2,000: docs/language.md.
_PRIOR_VECTORS = 500.0
#: A class's mean and the covariance follow a lasting change: they forget as if this many had come.
_MAX_CLASS_COUNT = 1_000.0
_MAX_COUNT = 50_000.0
#: The scale of the logits is learned, since shrunken covariances make them too sure of themselves.
_SCALE_STEP = 0.02
_MIN_SCALE, _MAX_SCALE = 0.02, 5.0


class StreamingDiscriminant:
    """Class means and a shared covariance; vectors have D numbers, about unit length.

    Memory: 8 (D * D + 2 D K) bytes for K classes.
    """

    def __init__(self, dimension: int, max_classes: int) -> None:
        self.labels: list[str] = []
        self._max_classes = max_classes
        self._index: dict[str, int] = {}
        self._means = np.zeros((0, dimension))
        self._counts = np.zeros(0)
        self._scatter = np.zeros((dimension, dimension))
        self._num_vectors = 0.0
        self._log_scale = 0.0
        self._weights: Floats | None = None
        self._bias = np.zeros(0)

    def knows(self, label: str) -> bool:
        """Whether a class was learned."""
        return label in self._index

    def probabilities(self, vectors: NDArray[np.float32]) -> Floats:
        """Return (B, K) for vectors (B, D); columns in the order of `labels`."""
        logits: Floats = np.exp(self._log_scale) * self._logits(vectors)
        if not self.labels:
            return logits
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: Floats = powers / powers.sum(axis=1, keepdims=True)
        return result

    def _logits(self, vectors: NDArray[np.float32]) -> Floats:
        if self._weights is None:
            self._solve()
            assert self._weights is not None
        result: Floats = vectors.astype(np.float64) @ self._weights + self._bias
        return result

    def _solve(self) -> None:
        """Set the weights: the inverse covariance times each mean."""
        dimension = len(self._scatter)
        freedom = max(self._num_vectors - len(self.labels), 1.0)
        # Vectors of unit length have a variance of about 1 / D in each direction.
        prior = np.eye(dimension) / dimension
        share = _PRIOR_VECTORS / (_PRIOR_VECTORS + self._num_vectors)
        covariance = (1 - share) * self._scatter / freedom + share * prior
        weights = np.linalg.solve(covariance, self._means.T).astype(np.float64)
        self._weights, self._bias = weights, -0.5 * (self._means.T * weights).sum(axis=0)

    def learn(self, vectors: NDArray[np.float32], labels: Sequence[str]) -> int:
        """Learn vectors (B, D) in order; return how many had no room for their new class."""
        num_refused = 0
        if len(vectors):
            self._calibrate(vectors, labels)
        for vector, label in zip(vectors.astype(np.float64), labels, strict=True):
            row = self._row(label)
            if row is None:
                num_refused += 1
                continue
            self._learn_one(vector, row)
        self._weights = None
        return num_refused

    def _row(self, label: str) -> int | None:
        row = self._index.get(label)
        if row is None and len(self.labels) < self._max_classes:
            row = self._index[label] = len(self.labels)
            self.labels.append(label)
            self._means = np.vstack([self._means, np.zeros((1, self._means.shape[1]))])
            self._counts = np.append(self._counts, 0.0)
        return row

    def _learn_one(self, vector: Floats, row: int) -> None:
        """Welford's update of mean and scatter."""
        count = min(self._counts[row] + 1.0, _MAX_CLASS_COUNT)
        change = vector - self._means[row]
        self._counts[row] = count
        self._means[row] += change / count
        if count > 1:
            self._scatter += np.outer(change, change) * ((count - 1) / count)
        self._num_vectors += 1.0
        if self._num_vectors > _MAX_COUNT:
            self._scatter *= _MAX_COUNT / self._num_vectors
            self._num_vectors = _MAX_COUNT

    def _calibrate(self, vectors: NDArray[np.float32], labels: Sequence[str]) -> None:
        """Move the scale of the logits towards the likelihood of labels that are not learned yet.

        A gradient step by the logarithm of the scale, of the labels' mean log-likelihood.
        """
        known = [i for i, label in enumerate(labels) if label in self._index]
        if not known or len(self.labels) < 2:
            return
        logits = np.exp(self._log_scale) * self._logits(vectors[known])
        probabilities = self.probabilities(vectors[known])
        truth = logits[np.arange(len(known)), [self._index[labels[i]] for i in known]]
        gradient = np.clip(truth - (probabilities * logits).sum(axis=1), -5.0, 5.0)
        moved = self._log_scale + _SCALE_STEP * float(gradient.sum())
        self._log_scale = float(np.clip(moved, np.log(_MIN_SCALE), np.log(_MAX_SCALE)))

    def arrays(self) -> Mapping[str, Floats]:
        """Return the arrays of a snapshot."""
        return {
            "means": self._means,
            "counts": self._counts,
            "scatter": self._scatter,
            "numbers": np.array([self._num_vectors, self._log_scale]),
        }

    @classmethod
    def load(cls, dimension: int, max_classes: int, saved: Snapshot) -> StreamingDiscriminant:
        """Return what a snapshot has.

        Raises:
            ModelError: it has none, or of another width.
        """
        found = cls(dimension, max_classes)
        found.labels = list(saved.list_of("classes"))
        found._index = {label: row for row, label in enumerate(found.labels)}
        like, num_classes = np.zeros(0), len(found.labels)
        found._means = saved.array("means", like, num_classes, dimension)
        found._counts = saved.array("counts", like, num_classes)
        found._scatter = saved.array("scatter", like, dimension, dimension)
        found._num_vectors, found._log_scale = saved.array("numbers", like, 2).tolist()
        return found
