"""The same workloads as Penstock's own users would write them: a model class each."""

from __future__ import annotations

from schemas import Result, SensorReading
from workloads.readings import mean_scores, slow_scores


class Score(Result, kw_only=True):
    """The mean of a reading's values."""

    score: float


class Mean:
    """Workload `a`."""

    name, event_type, result_type = "mean", SensorReading, Score

    def predict_batch(self, readings):
        """Answer B readings."""
        return [Score(score=score) for score in mean_scores(readings)]


class SlowMean(Mean):
    """Workload `d`."""

    def predict_batch(self, readings):
        """Answer B readings after 5 ms and 20 us for each."""
        return [Score(score=score) for score in slow_scores(readings)]
