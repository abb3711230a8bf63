"""Class probabilities as results."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import Classification, ClassScore

#: Further decimals would only make results longer.
_DECIMALS = 6


def rank_classes(
    labels: Sequence[str], scores: NDArray[np.float64], top_k: int
) -> list[Classification]:
    """Return the likeliest classes of each row of scores (B, C), by descending score."""
    scores = np.clip(np.round(scores, _DECIMALS), 0.0, 1.0)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    results = []
    for row, ranked in zip(scores.tolist(), order.tolist(), strict=True):
        top = [ClassScore(label=labels[k], class_id=k, score=row[k]) for k in ranked]
        best = top[0]
        results.append(
            Classification(label=best.label, class_id=best.class_id, score=best.score, top=top)
        )
    return results
