"""Rate detectors on river's Shuttle stream: readings in random order, unusual by themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.anomaly.labeled import LabeledSeries
from models.evaluation import roc_auc
from schemas import SensorReading

Floats = NDArray[np.float64]

#: Readings from the start, as in the documentation of `river.datasets.Shuttle`.
ROWS = 10_000


def load_shuttle(rows: int = ROWS) -> LabeledSeries:
    """Return the first rows of the stream that river carries, as readings of one source."""
    from river.datasets import Shuttle

    readings: list[SensorReading] = []
    truth: list[bool] = []
    for features, label in Shuttle().take(rows):
        values = {name: float(value) for name, value in features.items()}
        time = 1000 * len(readings)
        readings.append(SensorReading(source_id="shuttle", event_time_ms=time, values=values))
        truth.append(bool(label))
    return LabeledSeries("shuttle", readings, np.array(truth), 0, [])


def rate_shuttle(
    scores_of: Callable[[LabeledSeries], Floats], series: LabeledSeries
) -> list[tuple[str, float]]:
    """Return the AUC over all rows: what is not scored yet counts as the least unusual.

    Equal to river's `RollingROCAUC` after the last row, with a window of all rows.
    """
    return [("Shuttle: rolling ROC AUC", roc_auc(scores_of(series), series.truth))]
