"""NAB's score on series small enough to score by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.labeled import LabeledSeries
from models.anomaly.nab_score import REWARD_LOW_FN, best_threshold, nab_score


def series(rows: int, windows: list[tuple[int, int]], warm_up: int = 0) -> LabeledSeries:
    truth = np.zeros(rows, np.bool_)
    for first, last in windows:
        truth[first : last + 1] = True
    return LabeledSeries("x", [], truth, warm_up, windows)


def hits(rows: int, *places: int) -> np.ndarray:
    scores = np.zeros(rows)
    scores[list(places)] = 1.0
    return scores


def score(one: LabeledSeries, *places: int) -> float:
    return float(nab_score([one], [hits(len(one.truth), *places)], np.array([0.5]))[0])


def sigmoid(y: float) -> float:
    return float(2 / (1 + np.exp(5 * y)) - 1)


ONE = series(100, [(50, 59)])


def test_a_hit_at_the_first_row_scores_100_and_no_detection_0() -> None:
    assert score(ONE, 50) == pytest.approx(100)
    assert score(ONE) == 0


def test_only_the_first_hit_counts_and_a_later_hit_scores_less() -> None:
    assert score(ONE, 55, 57) == score(ONE, 55)
    expected = 100 * (sigmoid(-0.5) / sigmoid(-1.0) + 1) / 2
    assert score(ONE, 55) == pytest.approx(expected)
    assert score(ONE, 59) < score(ONE, 55) < score(ONE, 50)


def test_a_false_alarm_costs_its_full_weight_before_a_window_and_less_just_after() -> None:
    assert score(ONE, 10, 50) == pytest.approx(100 - 100 * 0.11 / 2)
    assert score(ONE, 50, 61) == pytest.approx(100 + 100 * 0.11 * sigmoid(2 / 9) / 2)
    assert score(ONE, 50, 99) == pytest.approx(score(ONE, 10, 50))


def test_the_warm_up_is_not_scored() -> None:
    assert score(series(100, [(50, 59)], warm_up=20), 10, 50) == pytest.approx(100)


def test_a_miss_costs_double_in_the_low_fn_profile() -> None:
    two = series(100, [(20, 29), (50, 59)])
    scores, cut = [hits(100, 20)], np.array([0.5])
    assert nab_score([two], scores, cut)[0] == pytest.approx(50)
    assert nab_score([two], scores, cut, REWARD_LOW_FN)[0] == pytest.approx(100 * (1 - 2 + 4) / 6)


def test_the_best_threshold_is_the_same_for_all_files() -> None:
    rng = np.random.default_rng(3)
    files = [series(300, [(100, 120)], 30), series(300, [(200, 230)], 30)]
    scores = [rng.random(300) + 2 * file.truth * (rng.random(300) < 0.2) for file in files]
    threshold, best = best_threshold(files, scores)
    every = nab_score(files, scores, np.linspace(0, 3.1, 200))
    assert best >= every.max() - 1e-9
    assert nab_score(files, scores, np.array([threshold]))[0] == pytest.approx(best)
