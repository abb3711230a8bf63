"""The online driver and the ratings, on cases known by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.base import OnlineModel
from models.evaluation import answer_stream, f1, one_result, point_adjusted, roc_auc, runs
from schemas import AnomalyScore, InputError, SensorReading


class CountsLearned(OnlineModel[SensorReading, AnomalyScore]):
    """Answers with how many events it had learned."""

    learn_every = 4

    def __init__(self) -> None:
        self.steps: list[int] = []

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        score = float(sum(self.steps))
        return [AnomalyScore(score=score, is_anomaly=False, threshold=1.0) for _ in batch]

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        self.steps.append(len(batch))


def test_each_step_is_answered_before_it_is_learned() -> None:
    model = CountsLearned()
    answers = answer_stream(model, [SensorReading.example()] * 10)
    assert [one_result(a).score for a in answers] == [0] * 4 + [4] * 4 + [8] * 2
    assert model.steps == [4, 4, 2]


def test_one_result_raises_for_errors_and_lists() -> None:
    with pytest.raises(InputError, match="refused"):
        one_result(InputError("refused"))
    with pytest.raises(ValueError, match="one result"):
        one_result(None)


def test_ratings_of_cases_known_by_hand() -> None:
    truth = np.array([False, True, True, False, True])
    flagged = np.array([False, False, True, True, False])
    assert runs(truth) == [(1, 3), (4, 5)]
    assert f1(flagged, truth) == pytest.approx(2 * 1 / 5)
    assert point_adjusted(flagged, truth).tolist() == [False, True, True, True, False]
    assert f1(flagged & ~flagged, truth & ~truth) == 0
    assert roc_auc(np.array([0.1, 0.9, 0.5, 0.5, 0.6]), truth) == pytest.approx(5.5 / 6)
    with pytest.raises(ValueError, match="positives and negatives"):
        roc_auc(np.ones(3), np.ones(3, np.bool_))
