"""Convert class probabilities to `NluResult`s."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.nlu.intent_head import OUT_OF_SCOPE
from models.nlu.tokenizer import CutTokens, Tokens
from schemas import InputError, IntentScore, NluResult

#: Further decimals of a float32 softmax are noise, and would double the length of a JSON result.
DECIMALS = 6


def rank_intents(
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
    *,
    top_k: int,
    min_score: float = 0.0,
) -> list[NluResult]:
    """Return the likeliest intent of each row, and the next candidates.

    The answer is out of scope if a class of that name is the likeliest, or if no intent reaches
    `min_score`; its score is then 1 minus the score of the likeliest intent.

    Args:
        labels: K class names, at least one of them not `oos`.
        probabilities: (B, K) float32 in [0, 1].
        top_k: number of alternatives in a result, >= 0.
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
        score = round(1 - ranked[0].score, DECIMALS)
        return NluResult(intent=OUT_OF_SCOPE, score=score, alternatives=ranked[:top_k])
    return NluResult(intent=ranked[0].intent, score=ranked[0].score, alternatives=ranked[1:])


def put_back_errors(
    slots: Sequence[Tokens | InputError], results: Sequence[NluResult]
) -> list[NluResult | InputError]:
    """Return the slots with each one that is no error replaced by the next result.

    Results of texts that were cut say so.
    """
    remaining = iter(results)
    return [
        slot if isinstance(slot, InputError) else _with_length(next(remaining), slot)
        for slot in slots
    ]


def _with_length(result: NluResult, tokens: Tokens) -> NluResult:
    result.is_truncated = isinstance(tokens, CutTokens)
    return result
