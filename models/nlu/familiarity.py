"""Turn a head's probabilities into calibrated scores that fall for texts unlike the training texts.

A softmax is often sure of a text that is like nothing it was trained on. So the score also counts
how near a text is to the training texts: its cosine with the nearest of a few prototypes of each
intent. Sources: Snell et al., 2017, "Prototypical Networks", arXiv:1703.05175 (prototypes); Platt,
1999, "Probabilistic Outputs for Support Vector Machines" (calibration by a logistic curve).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

#: Prototypes for each intent. 3 was better than 1, 8, and the nearest 1, 5 or 20 training texts.
PROTOTYPES = 3
#: A cosine of 0.2 less counts as much as a probability lower by a factor of e. Chosen with heads
#: trained on CLINC150's train part and rated on its validation part: of 0, 3, 5, 10 and 20 it had
#: the best out-of-scope recall at 94 % in-scope accuracy (0.92; with 0: 0.84). A weight fitted to
#: right and wrong answers would be below 1, because most wrong answers are in scope.
WEIGHT = 5.0
_SMALLEST = 1e-9


@dataclass(frozen=True)
class Familiarity:
    """`sigmoid(slope * (log p + weight * cosine) + offset)`. Immutable and thread-safe."""

    prototypes: Vectors
    """(P, D) of unit length."""
    weight: float
    slope: float
    """Positive: the order of a text's intents stays that of their probabilities."""
    offset: float

    def scores(self, vectors: Vectors, probabilities: Vectors) -> Vectors:
        """Return scores (B, K) float32 in [0, 1] for vectors (B, D), probabilities (B, K)."""
        return self.curve(evidence(vectors, probabilities, self.prototypes, self.weight))

    def curve(self, values: Vectors) -> Vectors:
        """Return the scores of this `evidence`, in its shape."""
        result: Vectors = 1 / (1 + np.exp(-np.clip(self.slope * values + self.offset, -80, 80)))
        return result


def evidence(
    vectors: Vectors, probabilities: Vectors, prototypes: Vectors, weight: float = WEIGHT
) -> Vectors:
    """Return `log p + weight * cosine with the nearest prototype`, (B, K)."""
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _SMALLEST)
    nearest = (vectors / lengths @ prototypes.T).max(axis=1, keepdims=True)
    result: Vectors = np.log(np.maximum(probabilities, _SMALLEST)) + weight * nearest
    return result


def find_prototypes(vectors: Vectors, intents: Sequence[str]) -> Vectors:
    """Return up to three centers of each intent's vectors (k-means), of unit length (P, D).

    Args:
        vectors: (N, D).
        intents: N labels, all in scope.
    """
    from sklearn.cluster import KMeans

    truth = np.array(intents)
    centers = []
    for intent in sorted(set(intents)):
        own = vectors[truth == intent]
        count = min(PROTOTYPES, len(np.unique(own, axis=0)))
        centers.append(KMeans(count, n_init=1, random_state=0).fit(own).cluster_centers_)
    stacked = np.concatenate(centers)
    result: Vectors = stacked / np.maximum(
        np.linalg.norm(stacked, axis=1, keepdims=True), _SMALLEST
    )
    return result.astype(np.float32)


def calibrate(prototypes: Vectors, best: Vectors, is_right: NDArray[np.bool_]) -> Familiarity:
    """Fit slope and offset, so that scores are on average the share of right answers.

    Args:
        prototypes: (P, D).
        best: (N,) the `evidence` of N texts for their likeliest intents, by heads that were not
            trained on these texts.
        is_right: (N,) whether that intent was right; False for texts out of scope.
    """
    from sklearn.linear_model import LogisticRegression

    # One invented mistake and one invented success: a perfect record of few texts is no certainty.
    values = np.r_[best, best.min() - 1, best.max() + 1].astype(np.float64)
    center, scale = values.mean(), values.std()
    truth = np.r_[is_right, False, True]
    curve = LogisticRegression().fit(((values - center) / scale)[:, None], truth)
    # Fewer right answers with more evidence would be chance in a few texts.
    slope = max(float(curve.coef_[0, 0]), _SMALLEST) / float(scale)
    offset = float(curve.intercept_[0]) - slope * float(center)
    return Familiarity(prototypes, WEIGHT, slope, offset)
