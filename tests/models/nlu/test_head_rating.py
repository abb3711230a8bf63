from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.nlu.encoder import EncoderSettings
from models.nlu.head_rating import rank_out_of_scope, rate_head
from models.nlu.intent_head import IntentHead

HEAD = IntentHead(
    labels=("a", "b"),
    weights=np.eye(2, dtype=np.float32),
    bias=np.zeros(2, dtype=np.float32),
    min_score=0.0,
    encoder=EncoderSettings("test", "mean", True),
)
#: Margins for `a`: the larger, the surer. The last two are out of scope, the fourth is wrong.
MARGINS = [4.0, 3.0, 2.0, -2.5, 1.0, 2.5]
INTENTS = ["a", "a", "a", "a", "oos", "oos"]


def vectors() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array([[margin, 0.0] for margin in MARGINS], dtype=np.float32)


def test_the_ranking_is_that_of_the_scores() -> None:
    ranking = rank_out_of_scope(HEAD, vectors(), INTENTS, at_accuracy=0.5)
    assert ranking.accuracy == 0.75
    # Pairs of a text in scope (4, 3, 2 and 2.5) and one out of scope (1 and 2.5), ties half.
    assert ranking.auroc == pytest.approx((4 + 2 + 0.5) / 8)
    # Two of three right answers are to stay: the threshold is 3, above both strangers.
    assert ranking.oos_recall == 1.0


def test_without_anything_to_lose_only_less_sure_strangers_are_found() -> None:
    assert rank_out_of_scope(HEAD, vectors(), INTENTS, at_accuracy=0.75).oos_recall == 0.5


def test_an_accuracy_that_is_not_reached_has_no_recall() -> None:
    assert rank_out_of_scope(HEAD, vectors(), INTENTS, at_accuracy=0.9).oos_recall == 0.0


def test_the_rating_uses_the_threshold() -> None:
    strict = replace(HEAD, min_score=0.94)  # about the score of margin 2.75
    rating = rate_head(strict, vectors(), INTENTS)
    assert rating.in_scope_accuracy == 0.5
    assert rating.oos_recall == 1.0
