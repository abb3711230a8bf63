"""The Shuttle stream of river, and its figure as river computes it."""

from __future__ import annotations

import numpy as np
import pytest
from river.metrics import RollingROCAUC

from models.anomaly.rate_shuttle import load_shuttle, rate_shuttle


def test_the_figure_is_the_rolling_auc_of_river() -> None:
    series = load_shuttle(1200)
    assert series.truth.sum() == 90
    assert len(series.readings[0].values) == 9
    scores = np.random.default_rng(0).normal(size=1200) + series.truth
    metric = RollingROCAUC(window_size=1200)
    for score, is_true in zip(scores.tolist(), series.truth.tolist(), strict=True):
        metric.update(is_true, score)
    ((_, value),) = rate_shuttle(lambda _: scores, series)
    assert value == pytest.approx(metric.get(), abs=1e-9)
