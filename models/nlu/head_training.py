"""Fit an intent head, and choose its scores and its out-of-scope threshold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.answers import DECIMALS
from models.nlu.encoder import EncoderSettings
from models.nlu.familiarity import calibrate, evidence, find_prototypes
from models.nlu.intent_head import OUT_OF_SCOPE, IntentHead

Vectors = NDArray[np.float32]

#: Inverse strength of the L2 penalty. Unit-length vectors need a weak penalty: of 1, 10, 30 and
#: 100, 30 was best for MiniLM on CLINC150 (4,500 training texts, 1,500 of its validation part).
_C = 30.0
_MAX_ITERATIONS = 500
_MAX_FOLDS = 5

#: Share of in-scope texts whose right answer the threshold may reject: the price for detecting
#: texts that fit no intent.
DEFAULT_LOST = 0.01


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
    lost: float = DEFAULT_LOST,
) -> IntentHead:
    """Train a head with calibrated scores, whose `min_score` loses the share `lost` of answers.

    Scores are on average the share of right answers. They and the threshold come from
    cross-validation on the same texts, so no test texts are needed.

    Args:
        vectors: (N, D) float32.
        intents: N labels; texts of `oos` help to choose the scores.
        encoder: the encoder of the vectors.
        lost: share of in-scope texts with a right answer below `min_score`, in [0, 1).

    Raises:
        ModelError: fewer than two labels, or a label with fewer than two texts.
    """
    truth = np.array(intents)
    best, is_right = _cross_validate(vectors, truth, encoder)
    in_scope = truth != OUT_OF_SCOPE
    prototypes = find_prototypes(vectors[in_scope], truth[in_scope].tolist())
    familiarity = calibrate(prototypes, best, is_right)
    head = replace(fit_head(vectors, intents, encoder), familiarity=familiarity)
    right = familiarity.curve(best[is_right])
    min_score = 0.0
    if len(right):
        share = min(1.0, lost * int(in_scope.sum()) / len(right))
        min_score = math.floor(10**DECIMALS * float(np.quantile(right, share))) / 10**DECIMALS
    return replace(head, min_score=min_score)


def _cross_validate(
    vectors: Vectors, truth: NDArray[np.str_], encoder: EncoderSettings
) -> tuple[Vectors, NDArray[np.bool_]]:
    """Return each text's evidence for its likeliest intent, and whether that is right, (N,) each.

    Each text is answered by a head that was trained without it.
    """
    from sklearn.model_selection import StratifiedKFold

    rarest, count = min(Counter(truth.tolist()).items(), key=lambda item: item[1])
    if count < 2:
        raise ModelError(f"intent {rarest!r} has one text: expected at least two of each")
    folds = StratifiedKFold(min(_MAX_FOLDS, count), shuffle=True, random_state=0)
    best = np.empty(len(truth), dtype=np.float32)
    is_right = np.empty(len(truth), dtype=np.bool_)
    for train, test in folds.split(vectors, truth):
        head = fit_head(vectors[train], truth[train].tolist(), encoder)
        known = train[truth[train] != OUT_OF_SCOPE]
        prototypes = find_prototypes(vectors[known], truth[known].tolist())
        names = np.array(head.labels)
        columns = np.flatnonzero(names != OUT_OF_SCOPE)
        rows = evidence(vectors[test], head.probabilities(vectors[test]), prototypes)[:, columns]
        best[test] = rows.max(axis=1)
        is_right[test] = names[columns[rows.argmax(axis=1)]] == truth[test]
    return best, is_right
