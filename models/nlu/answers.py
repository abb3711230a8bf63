"""From class probabilities to `NluResult`s."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.nlu.intent_head import OUT_OF_SCOPE
from schemas import InputError, IntentScore, NluResult

#: A float32 softmax is noise beyond them, and a JSON result is half as long.
DECIMALS = 6


def rank_intents(
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
    *,
    top_k: int,
    min_score: float = 0.0,
) -> list[NluResult]:
    """Name each row's likeliest intent and the next ones.

    Out of scope is the answer where a class of that name is the likeliest, or where no intent
    reaches `min_score`; its score is what the likeliest intent leaves over, 1 - p.

    Args:
        labels: K class names, at least one besides `oos`.
        probabilities: (B, K) float32 in [0, 1].
        top_k: alternatives a result, >= 0.
        min_score: in [0, 1].

    Returns:
        B results in input order.
    """
    in_scope = np.array([label != OUT_OF_SCOPE for label in labels])
    names = [label for label in labels if label != OUT_OF_SCOPE]
    scores = np.clip(np.round(probabilities[:, in_scope].astype(np.float64), DECIMALS), 0, 1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : top_k + 1]
    ranked = np.take_along_axis(scores, order, axis=1)
    best = ranked[:, 0]
    is_out = best < min_score
    if not in_scope.all():
        is_out |= probabilities[:, ~in_scope].max(axis=1) > probabilities[:, in_scope].max(axis=1)
    return [
        _result([IntentScore(names[k], score) for k, score in zip(*row, strict=True)], out, top_k)
        for row, out in zip(
            zip(order.tolist(), ranked.tolist(), strict=True), is_out.tolist(), strict=True
        )
    ]


def _result(ranked: list[IntentScore], is_out: bool, top_k: int) -> NluResult:
    if is_out:
        left = round(1 - ranked[0].score, DECIMALS)
        return NluResult(intent=OUT_OF_SCOPE, score=left, alternatives=ranked[:top_k])
    return NluResult(intent=ranked[0].intent, score=ranked[0].score, alternatives=ranked[1:])


def weave(
    parts: Sequence[object | InputError], results: Sequence[NluResult]
) -> list[NluResult | InputError]:
    """Put results, which answer the parts that are no error, back among the errors."""
    remaining = iter(results)
    return [part if isinstance(part, InputError) else next(remaining) for part in parts]
