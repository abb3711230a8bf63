"""VUS-PR: how well scores find ranges, whatever the tolerance at the edges of the ranges.

Source: Paparrizos et al., 2022, "Volume Under the Surface: A New Accuracy Evaluation Measure for
Time-Series Anomaly Detection", PVLDB 15(11).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.evaluation import runs

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Rows of buffer around a range, both sides together, over which the volume is the mean.
BUFFERS = tuple(range(0, 101, 10))


def vus_pr(scores: Floats, truth: Bools, buffers: Sequence[int] = BUFFERS) -> float:
    """Return the mean over `buffers` of the range-based area under the precision-recall curve.

    Args:
        scores: (n,), higher is more unusual; all distinct scores are thresholds.
        truth: (n,) with at least one range of anomalous rows.
        buffers: lengths in rows, >= 0.

    Raises:
        ValueError: no row is anomalous.
    """
    if not truth.any():
        raise ValueError("VUS-PR needs a range of anomalies")
    return float(np.mean([range_auc_pr(scores, truth, buffer) for buffer in buffers]))


def range_auc_pr(scores: Floats, truth: Bools, buffer: int) -> float:
    """Return the average precision with labels that fall off in `buffer / 2` rows on each side.

    Precision counts a flagged row by its label. Recall is the labels that are flagged in relation
    to the mean of the labels with and without buffer, at most 1, times the share of the ranges
    (with their buffers) in which a row is flagged.
    """
    labels = buffered_labels(truth, buffer)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    is_last = np.append(ordered[1:] != ordered[:-1], True)
    hits = np.cumsum(labels[order])[is_last]
    flagged = np.arange(1, len(scores) + 1)[is_last]
    peaks = np.sort([scores[first:last].max() for first, last in _ranges(truth, buffer)])
    found = len(peaks) - np.searchsorted(peaks, ordered[is_last], "left")
    positives = (np.count_nonzero(truth) + labels.sum()) / 2
    recall = np.minimum(hits / positives, 1.0) * found / len(peaks)
    return float((np.diff(recall, prepend=0.0) * hits / flagged).sum())


def buffered_labels(truth: Bools, buffer: int) -> Floats:
    """Return the labels (n,): 1 in a range, sqrt(1 - d / buffer) at d rows, d <= buffer / 2."""
    labels = truth.astype(np.float64)
    for first, end in runs(truth):
        for distance in range(1, buffer // 2 + 1):
            value = np.sqrt(1.0 - distance / buffer)
            for at in (first - distance, end - 1 + distance):
                if 0 <= at < len(labels):
                    labels[at] = max(labels[at], value)
    return labels


def _ranges(truth: Bools, buffer: int) -> list[tuple[int, int]]:
    """Return [start, end) of each range with its buffer."""
    half = buffer // 2
    return [(max(a - half, 0), min(b + half, len(truth))) for a, b in runs(truth)]
