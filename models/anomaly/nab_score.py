"""The score of the Numenta Anomaly Benchmark, version 1.

Only the first detection inside a labeled window counts, the earlier the better; a missed window
and every detection outside cost, the latter less just behind a window.
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

#: Behind a window by more than this many window lengths, a detection costs in full.
_FAR = 3.0


class Profile(NamedTuple):
    """What hits, misses and false alarms weigh."""

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
    """Return the normalized score at each threshold, one threshold holding for all files.

    Args:
        series: the files; their first `warm_up` rows are not scored.
        scores: (rows,) each file's anomaly scores, higher is more unusual.
        thresholds: (t,) a row is a detection from there on.
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
    """Return the threshold that scores best over all files, and that score.

    NAB's own optimizer picks it so too: on the labels. It says what the detector could reach.
    """
    every = np.concatenate([x[s.warm_up :] for s, x in zip(series, scores, strict=True)])
    thresholds = np.append(np.unique(every), np.nextafter(every.max(), np.inf))
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
        found = thresholds <= scores[rows].max(initial=-np.inf)
        total += np.where(found, hit, -profile.false_negative)
    return total


def _at_or_above(scores: Floats, values: Floats, thresholds: Floats, combine: np.ufunc) -> Floats:
    """Return `combine` over the values whose score reaches each threshold; 0 where none does."""
    order = np.argsort(-scores, kind="stable")
    combined = np.append(0.0, combine.accumulate(values[order]) if len(order) else [])
    counts = np.searchsorted(-scores[order], -thresholds, side="right")
    reached: Floats = combined[counts]
    return reached


def _sigmoid(y: Floats) -> Floats:
    scaled: Floats = np.where(y > _FAR, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(y, _FAR))) - 1.0)
    return scaled


def _hit_value(rows: NDArray[np.int64], first: int, last: int) -> Floats:
    """Return what a detection at each row of a window is worth: 1 at its first row, near 0 last."""
    position = -(last - rows + 1) / (last - first + 1)
    value: Floats = _sigmoid(position) / _sigmoid(np.array(-1.0))
    return value


def _false_alarm_value(series: LabeledSeries) -> Floats:
    """Return (rows,) in [-1, 0): what a detection outside of windows is worth."""
    value = np.full(len(series.truth), -1.0)
    for first, last in series.windows:
        behind = np.arange(last + 1, len(value))
        value[last + 1 :] = _sigmoid((behind - last) / max(last - first, 1))
    return value
