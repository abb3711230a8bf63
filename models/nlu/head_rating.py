"""Rate an intent head on texts with known intents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation import roc_auc
from models.nlu.answers import rank_intents
from models.nlu.encoder import SentenceEncoder
from models.nlu.head_training import fit_head_with_threshold
from models.nlu.intent_head import OUT_OF_SCOPE, IntentHead

Vectors = NDArray[np.float32]

#: In-scope accuracy at which the detection of out-of-scope texts is compared.
_AT_ACCURACY = 0.94


@dataclass(frozen=True)
class HeadRating:
    """How often a head with its threshold was right on texts with known intents."""

    in_scope_accuracy: float
    """Share of in-scope texts with the right intent, in [0, 1]; `oos` counts as wrong."""
    oos_recall: float
    """Share of out-of-scope texts that were recognized, in [0, 1]; NaN without such texts."""


def rate_head(head: IntentHead, vectors: Vectors, intents: Sequence[str]) -> HeadRating:
    """Rate a head on vectors (N, D) with N known intents, `oos` if out of scope."""
    results = rank_intents(head.labels, head.scores(vectors), top_k=0, min_score=head.min_score)
    truth = np.array(intents)
    is_right = np.array([result.intent for result in results]) == truth
    is_out = truth == OUT_OF_SCOPE
    return HeadRating(
        in_scope_accuracy=float(is_right[~is_out].mean()),
        oos_recall=float(is_right[is_out].mean()) if is_out.any() else float("nan"),
    )


@dataclass(frozen=True)
class OutOfScopeRanking:
    """How well a head's scores separate texts in scope from others, whatever the threshold."""

    accuracy: float
    """Share of in-scope texts whose likeliest in-scope intent is right, in [0, 1]."""
    auroc: float
    """Probability that a text in scope has a higher score than one out of scope."""
    oos_recall: float
    """Share of out-of-scope texts below the threshold that leaves the in-scope accuracy asked for;
    0 if the accuracy is lower without a threshold."""


def rank_out_of_scope(
    head: IntentHead, vectors: Vectors, intents: Sequence[str], at_accuracy: float
) -> OutOfScopeRanking:
    """Rate the scores of a head.

    Args:
        head: its `min_score` and its class `oos` play no part.
        vectors: (N, D).
        intents: N known intents, some of them `oos`.
        at_accuracy: in-scope accuracy at which the recall is given, in [0, 1].
    """
    truth = np.array(intents)
    names = np.array(head.labels)
    columns = np.flatnonzero(names != OUT_OF_SCOPE)
    scores = head.scores(vectors)[:, columns]
    best = scores.max(axis=1).astype(np.float64)
    in_scope = truth != OUT_OF_SCOPE
    is_right = names[columns[scores.argmax(axis=1)]] == truth
    right = np.sort(best[is_right])
    to_lose = len(right) - int(np.ceil(at_accuracy * in_scope.sum()))
    recall = float((best[~in_scope] < right[to_lose]).mean()) if 0 <= to_lose < len(right) else 0.0
    return OutOfScopeRanking(
        accuracy=float(is_right[in_scope].mean()),
        auroc=roc_auc(best, in_scope),
        oos_recall=recall,
    )


def rate_trained(
    train: Sequence[dict[str, Any]], test: Sequence[dict[str, Any]], encoder: SentenceEncoder
) -> list[tuple[str, float]]:
    """Train a head on CLINC150 texts, and return the name and value of each figure on others.

    Args:
        train: rows with `text` and `intent`.
        test: the same, some of them `oos`.
        encoder: a loaded encoder.
    """
    vectors = encoder.encode([row["text"] for row in test])
    intents = [row["intent"] for row in test]
    head = fit_head_with_threshold(
        encoder.encode([row["text"] for row in train]),
        [row["intent"] for row in train],
        encoder.settings,
    )
    at_threshold = rate_head(head, vectors, intents)
    ranking = rank_out_of_scope(head, vectors, intents, _AT_ACCURACY)
    model = f"intent_classifier ({encoder.source} and a head on {len(train)} texts)"
    return [
        (f"{model}, clinc150 test, {len(test)} texts: {metric}", value)
        for metric, value in (
            ("in-scope accuracy without oos", ranking.accuracy),
            ("out-of-scope AUROC", ranking.auroc),
            ("out-of-scope recall at 94 % in-scope accuracy", ranking.oos_recall),
            ("in-scope accuracy with its threshold", at_threshold.in_scope_accuracy),
            ("out-of-scope recall with its threshold", at_threshold.oos_recall),
        )
    ]
