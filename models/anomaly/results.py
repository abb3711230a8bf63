"""Build the results of calibrated detectors: one threshold, damped repeats, incident ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import Judged
from models.anomaly.contributions import Contributions, shares_of
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The surprise (-log10 of the probability) with the score 1/2.
HALF_SCORE_SURPRISE = 4.0
#: Readings from this surprise on have contributions: the others are usual, and results stay small.
EXPLAINED_SURPRISE = 1.0
#: Repeats get scores from this share of the threshold up to the threshold: above all readings that
#: are no anomalies, and in their own order.
_REPEAT_SHARE = 0.99


def score_of_surprise(surprise: Floats) -> Floats:
    """Map a surprise >= 0 to a score in [0, 1)."""
    return surprise / (surprise + HALF_SCORE_SURPRISE)


def damped_scores(judged: Judged, threshold: float) -> Floats:
    """Return the scores (n,): below the threshold (a score) for all that is not reported."""
    scores = score_of_surprise(np.maximum(judged.surprise, 0.0))
    is_repeat = ~judged.reported & (scores >= threshold)
    repeats = threshold * (_REPEAT_SHARE + (1.0 - _REPEAT_SHARE) * scores)
    return np.where(is_repeat, repeats, scores)


def channel_results(
    readings: Sequence[SensorReading], judged: Judged, expected: Floats, threshold: float
) -> list[AnomalyScore]:
    """Return a result for each reading, of its most unusual channel.

    A channel contributes by the square of its surprise.

    Args:
        readings: those that were judged.
        judged: of all channels, reading by reading.
        expected: (sum of channels,) the values that the model expected.
        threshold: a score.
    """
    # A new report comes before a repeat, however unusual that is. The last place is of no channel.
    rank = np.append(judged.surprise + 1e6 * judged.reported, -1.0)
    mappings = [reading.values for reading in readings]
    lengths = list(map(len, mappings))
    best = argmax_of_each(rank, lengths)
    chosen = Judged(
        np.append(judged.surprise, -1.0)[best],
        np.append(judged.reported, False)[best],
        np.append(judged.incident, 0)[best],
    )
    names = list(chain.from_iterable(mappings))
    scores = damped_scores(chosen, threshold)
    probabilities = 10.0 ** -np.maximum(chosen.surprise, 0.0)
    shares: list[dict[str, float]] = [{} for _ in readings]
    ends = np.cumsum(lengths)
    for place in np.flatnonzero(chosen.surprise >= EXPLAINED_SURPRISE).tolist():
        own = slice(int(ends[place]) - lengths[place], int(ends[place]))
        parts = np.maximum(judged.surprise[own], 0.0) ** 2
        shares[place] = shares_of(parts, names[own])
    return [
        AnomalyScore(
            score=score,
            is_anomaly=is_anomaly,
            threshold=threshold,
            contributions=share,
            channel=names[at] if score > 0 else "",
            expected=value if score > 0 else None,
            is_scored=surprise >= 0,
            probability=probability if surprise >= 0 else None,
            incident=f"{reading.source_id}/{names[at]}/{number}" if number else "",
        )
        for reading, share, at, surprise, score, is_anomaly, value, probability, number in zip(
            readings,
            shares,
            best.tolist(),
            chosen.surprise.tolist(),
            scores.tolist(),
            chosen.reported.tolist(),
            np.append(expected, 0.0)[best].tolist(),
            probabilities.tolist(),
            chosen.incident.tolist(),
            strict=True,
        )
    ]


def source_results(
    readings: Sequence[SensorReading],
    judged: Judged,
    threshold: float,
    contributions: Contributions | None = None,
) -> list[AnomalyScore]:
    """Return a result for each reading, of all of its channels together.

    Args:
        readings: those that were judged.
        judged: of each reading.
        threshold: a score.
        contributions: of the channels of each reading, if the detector compares them.
    """
    scores = damped_scores(judged, threshold)
    probabilities = 10.0 ** -np.maximum(judged.surprise, 0.0)
    shares: list[dict[str, float]] = [
        contributions.shares(place) if contributions and surprise >= EXPLAINED_SURPRISE else {}
        for place, surprise in enumerate(judged.surprise.tolist())
    ]
    return [
        AnomalyScore(
            score=score,
            is_anomaly=is_anomaly,
            threshold=threshold,
            channel=next(iter(share), ""),
            contributions=share,
            is_scored=surprise >= 0,
            probability=probability if surprise >= 0 else None,
            incident=f"{reading.source_id}/{number}" if number else "",
        )
        for reading, share, surprise, score, is_anomaly, probability, number in zip(
            readings,
            shares,
            judged.surprise.tolist(),
            scores.tolist(),
            judged.reported.tolist(),
            probabilities.tolist(),
            judged.incident.tolist(),
            strict=True,
        )
    ]


def no_judgments(count: int) -> Judged:
    """Return `count` judgments of readings that are not scored."""
    return Judged(np.full(count, -1.0), np.zeros(count, np.bool_), np.zeros(count, np.int64))


def argmax_of_each(values: Floats, lengths: list[int]) -> Ints:
    """Return the index of each reading's largest value, the first of equal ones.

    Args:
        values: (sum(lengths) + 1,), reading by reading; the last is of no reading.
        lengths: number of channels of each reading. One without has the index -1.
    """
    sizes = np.array(lengths, np.int64)
    if (sizes == 1).all():
        return np.arange(len(sizes))
    used = np.arange(max(lengths, default=0) or 1) < sizes[:, None]
    padded = np.full(used.shape, -np.inf)
    padded[used] = values[:-1]
    return np.where(sizes > 0, np.cumsum(sizes) - sizes + padded.argmax(axis=1), -1)
