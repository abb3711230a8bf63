from __future__ import annotations

import numpy as np
import pytest

from models.nlu.answers import put_back_errors, rank_intents
from models.nlu.tokenizer import CutTokens
from schemas import InputError, IntentScore, NluResult

LABELS = ["a", "oos", "b", "c"]


def rank(row: list[float], top_k: int = 2, min_score: float = 0.0) -> NluResult:
    (result,) = rank_intents(
        LABELS, np.array([row], dtype=np.float32), top_k=top_k, min_score=min_score
    )
    return result


def test_likeliest_intent_comes_first_and_the_next_by_descending_score() -> None:
    result = rank([0.1, 0.05, 0.6, 0.25])
    assert (result.intent, result.score) == ("b", 0.6)
    assert result.alternatives == [IntentScore("c", 0.25), IntentScore("a", 0.1)]


def test_out_of_scope_class_wins_by_being_likeliest() -> None:
    result = rank([0.1, 0.6, 0.2, 0.1])
    assert (result.intent, result.score) == ("oos", 0.8)
    assert result.alternatives == [IntentScore("b", 0.2), IntentScore("a", 0.1)]


@pytest.mark.parametrize(("min_score", "intent"), [(0.5, "b"), (0.51, "oos")])
def test_score_below_the_threshold_is_out_of_scope(min_score: float, intent: str) -> None:
    assert rank([0.3, 0.0, 0.5, 0.2], min_score=min_score).intent == intent


@pytest.mark.parametrize(("top_k", "count"), [(0, 0), (1, 1), (99, 2)])
def test_the_number_of_alternatives_is_limited_by_top_k_and_the_labels(
    top_k: int, count: int
) -> None:
    assert len(rank([0.3, 0.0, 0.5, 0.2], top_k=top_k).alternatives) == count


def test_the_answer_to_a_text_that_was_cut_says_so() -> None:
    whole, cut = NluResult(intent="a", score=1.0), NluResult(intent="b", score=1.0)
    put_back_errors([[1], CutTokens([2])], [whole, cut])
    assert [whole.is_truncated, cut.is_truncated] == [False, True]


def test_errors_are_put_back_in_their_positions() -> None:
    first, last = NluResult(intent="a", score=1), NluResult(intent="b", score=1)
    error = InputError("no")
    assert put_back_errors([[1], error, [2]], [first, last]) == [first, error, last]
