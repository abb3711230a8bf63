"""The score of the Numenta Anomaly Benchmark, version 1.

Only the first detection in a labeled window counts, and an earlier one counts more. Missed windows
and detections outside of windows cost points; a detection soon after a window costs less.
Source: Lavin and Ahmad, 2015, "Evaluating Real-time Anomaly Detection Algorithms",
arXiv:1510.03336.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.labeled import LabeledSeries

Floats = NDArray[np.float64]

#: A detection costs the full amount from this many window lengths after a window.
_FAR = 3.0


class Profile(NamedTuple):
    """The weights of hits, misses and false alarms."""

    true_positive: float
    false_negative: float
    false_positive: float


STANDARD = Profile(1.0, 1.0, 0.11)
REWARD_LOW_FP = Profile(1.0, 1.0, 0.22)
REWARD_LOW_FN = Profile(1.0, 2.0, 0.11)


def nab_score(
    series: Sequence[LabeledSeries],
    scores: Sequence[Floats],
    thresholds: Floats,
    profile: Profile = STANDARD,
) -> Floats:
    """Return the normalized score at each threshold, with one threshold for all files.

    Args:
        series: the files; their first `warm_up` rows are not scored.
        scores: (rows,) each file's anomaly scores, higher is more unusual.
        thresholds: (t,) a row with at least this score is a detection.
        profile: the weights.

    Returns:
        (t,): 100 for a perfect detector, 0 for one that never detects; may be negative.
    """
    raw = sum(
        (_file_score(s, x, thresholds, profile) for s, x in zip(series, scores, strict=True)),
        start=np.zeros(len(thresholds)),
    )
    num_windows = sum(len(s.windows) for s in series)
    null, perfect = -profile.false_negative * num_windows, profile.true_positive * num_windows
    normalized: Floats = 100.0 * (raw - null) / (perfect - null)
    return normalized


def best_threshold(
    series: Sequence[LabeledSeries], scores: Sequence[Floats], profile: Profile = STANDARD
) -> tuple[float, float]:
    """Return the threshold with the best score over all files, and that score.

    The choice uses the labels, as NAB's optimizer does: it shows what the detector could reach.
    """
    rated = np.concatenate([x[s.warm_up :] for s, x in zip(series, scores, strict=True)])
    thresholds = np.append(np.unique(rated), np.nextafter(rated.max(), np.inf))
    results = nab_score(series, scores, thresholds, profile)
    best = int(np.argmax(results))
    return float(thresholds[best]), float(results[best])


def _file_score(
    series: LabeledSeries, scores: Floats, thresholds: Floats, profile: Profile
) -> Floats:
    outside = ~series.truth
    outside[: series.warm_up] = False
    costs = profile.false_positive * _false_alarm_value(series)
    total = _at_or_above(scores[outside], costs[outside], thresholds, np.add)
    for first, last in series.windows:
        rows = np.arange(max(first, series.warm_up), last + 1)
        gains = profile.true_positive * _hit_value(rows, first, last)
        hit = _at_or_above(scores[rows], gains, thresholds, np.maximum)
        is_found = thresholds <= scores[rows].max(initial=-np.inf)
        total += np.where(is_found, hit, -profile.false_negative)
    return total


def _at_or_above(scores: Floats, values: Floats, thresholds: Floats, combine: np.ufunc) -> Floats:
    """Combine, for each threshold, the values whose score reaches it; 0 if there are none."""
    order = np.argsort(-scores, kind="stable")
    combined = np.append(0.0, combine.accumulate(values[order]) if len(order) else [])
    counts = np.searchsorted(-scores[order], -thresholds, side="right")
    reached: Floats = combined[counts]
    return reached


def _sigmoid(y: Floats) -> Floats:
    scaled: Floats = np.where(y > _FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(y, _FAR))) - 1.0)
    return scaled


def _hit_value(rows: NDArray[np.int64], first: int, last: int) -> Floats:
    """Return the value of a detection at each row of a window: from 1 down to nearly 0."""
    position = -(last - rows + 1) / (last - first + 1)
    value: Floats = _sigmoid(position) / _sigmoid(np.array(-1.0))
    return value


def _false_alarm_value(series: LabeledSeries) -> Floats:
    """Return the value (rows,) in [-1, 0) of a detection outside of windows."""
    value = np.full(len(series.truth), -1.0)
    for first, last in series.windows:
        after = np.arange(last + 1, len(value))
        value[last + 1 :] = _sigmoid((after - last) / max(last - first, 1))
    return value
