"""Fit an intent head, choose its out-of-scope threshold, and rate it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.answers import rank_intents
from models.nlu.encoder import EncoderSettings
from models.nlu.intent_head import OUT_OF_SCOPE, IntentHead

Vectors = NDArray[np.float32]

#: Inverse strength of the L2 penalty. Unit-length vectors need a weak penalty: of 1, 10, 30 and
#: 100, 30 was best for MiniLM on CLINC150 (4,500 training texts, 1,500 of its validation part).
_C = 30.0
_MAX_ITERATIONS = 500
_MAX_FOLDS = 5

#: Share of in-scope texts that the threshold may reject: the price for detecting texts that fit
#: no intent.
DEFAULT_REJECTED = 0.05


def fit_head(vectors: Vectors, intents: Sequence[str], encoder: EncoderSettings) -> IntentHead:
    """Train a head; the same input gives the same head (L-BFGS from zero, nothing is random).

    Args:
        vectors: (N, D) float32.
        intents: N labels, at least two different; `oos` may be one of them.
        encoder: the encoder of the vectors.

    Returns:
        A head without a threshold (`min_score` 0).

    Raises:
        ModelError: fewer than two labels.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(intents)) < 2:
        raise ModelError(f"intents {sorted(set(intents))}: expected at least two different ones")
    model = LogisticRegression(C=_C, max_iter=_MAX_ITERATIONS).fit(vectors, list(intents))
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:  # two labels: scikit-learn has one row, the log-odds of the second
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return IntentHead(
        labels=tuple(map(str, model.classes_)),
        weights=np.ascontiguousarray(weights.T, dtype=np.float32),
        bias=bias.astype(np.float32),
        min_score=0.0,
        encoder=encoder,
    )


def fit_head_with_threshold(
    vectors: Vectors,
    intents: Sequence[str],
    encoder: EncoderSettings,
    rejected: float = DEFAULT_REJECTED,
) -> IntentHead:
    """Train a head whose `min_score` rejects the share `rejected` of in-scope texts.

    The threshold comes from cross-validation on the same texts, so no test texts are needed.

    Raises:
        ModelError: fewer than two labels, or a label with fewer than two texts.
    """
    from sklearn.model_selection import StratifiedKFold

    rarest, count = min(Counter(intents).items(), key=lambda item: item[1])
    if count < 2:
        raise ModelError(f"intent {rarest!r} has one text: expected at least two of each")
    truth = np.array(intents)
    folds = StratifiedKFold(min(_MAX_FOLDS, count), shuffle=True, random_state=0)
    scores = np.empty(len(truth))
    for train, test in folds.split(vectors, truth):
        head = fit_head(vectors[train], truth[train].tolist(), encoder)
        scores[test] = _best_in_scope(head, vectors[test])
    min_score = round(float(np.quantile(scores[truth != OUT_OF_SCOPE], rejected)), 3)
    return replace(fit_head(vectors, intents, encoder), min_score=min_score)


def _best_in_scope(head: IntentHead, vectors: Vectors) -> Vectors:
    in_scope = np.array(head.labels) != OUT_OF_SCOPE
    best: Vectors = head.probabilities(vectors)[:, in_scope].max(axis=1)
    return best


@dataclass(frozen=True)
class HeadRating:
    """How often a head with its threshold was right on texts with known intents."""

    in_scope_accuracy: float
    """Share of in-scope texts with the right intent, in [0, 1]; `oos` counts as wrong."""
    oos_recall: float
    """Share of out-of-scope texts that were recognized, in [0, 1]; NaN without such texts."""


def rate_head(head: IntentHead, vectors: Vectors, intents: Sequence[str]) -> HeadRating:
    """Rate a head on vectors (N, D) with N known intents, `oos` if out of scope."""
    results = rank_intents(
        head.labels, head.probabilities(vectors), top_k=0, min_score=head.min_score
    )
    truth = np.array(intents)
    is_right = np.array([result.intent for result in results]) == truth
    is_out = truth == OUT_OF_SCOPE
    return HeadRating(
        in_scope_accuracy=float(is_right[~is_out].mean()),
        oos_recall=float(is_right[is_out].mean()) if is_out.any() else float("nan"),
    )
