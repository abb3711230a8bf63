"""VUS-PR against its definition, computed row by row and threshold by threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.anomaly.range_metrics import BUFFERS, buffered_labels, range_auc_pr, vus_pr


def by_definition(scores: list[float], truth: list[bool], buffer: int) -> float:
    """The formulas of the paper, with loops."""
    count = len(scores)
    ranges: list[tuple[int, int]] = []
    for i, is_true in enumerate(truth):
        if is_true and (i == 0 or not truth[i - 1]):
            end = i
            while end + 1 < count and truth[end + 1]:
                end += 1
            ranges.append((i, end))
    labels = []
    for i in range(count):
        best = 0.0
        for first, last in ranges:
            away = max(first - i, i - last, 0)
            if away == 0:
                best = 1.0
            elif away <= buffer // 2:
                best = max(best, math.sqrt(1 - away / buffer))
        labels.append(best)
    positives = sum((int(t) + label) / 2 for t, label in zip(truth, labels, strict=True))
    area = before = 0.0
    for threshold in sorted(set(scores), reverse=True):
        flagged = [score >= threshold for score in scores]
        hits = sum(label for label, flag in zip(labels, flagged, strict=True) if flag)
        exist = 0
        for first, last in ranges:
            rows = range(max(first - buffer // 2, 0), min(last + buffer // 2 + 1, count))
            exist += any(flagged[i] for i in rows)
        recall = min(hits / positives, 1.0) * exist / len(ranges)
        area += (recall - before) * hits / sum(flagged)
        before = recall
    return area


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("buffer", [0, 1, 4, 9, 30])
def test_the_area_is_that_of_the_definition(seed: int, buffer: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.zeros(60, np.bool_)
    truth[5 + seed : 9 + seed] = truth[30:31] = truth[56 - seed : 60] = True
    scores = rng.integers(0, 12, 60) + 4.0 * truth  # with ties
    expected = by_definition(scores.tolist(), truth.tolist(), buffer)
    assert range_auc_pr(scores, truth, buffer) == pytest.approx(expected, rel=1e-12)


def test_without_a_buffer_perfect_scores_have_the_area_1() -> None:
    truth = np.array([False, True, True, False, True])
    assert range_auc_pr(truth.astype(float), truth, 0) == pytest.approx(1.0)


def test_a_near_miss_counts_with_a_buffer_only() -> None:
    truth = np.zeros(200, np.bool_)
    truth[100:110] = True
    near, far = np.zeros(200), np.zeros(200)
    near[97:100], far[10:13] = 1.0, 1.0
    assert range_auc_pr(near, truth, 0) == pytest.approx(range_auc_pr(far, truth, 0))
    assert vus_pr(near, truth) > 1.2 * vus_pr(far, truth)


def test_the_volume_is_the_mean_over_the_buffers() -> None:
    rng = np.random.default_rng(1)
    truth = np.zeros(300, np.bool_)
    truth[50:80] = True
    scores = rng.normal(size=300) + truth
    each = [range_auc_pr(scores, truth, buffer) for buffer in BUFFERS]
    assert vus_pr(scores, truth) == pytest.approx(float(np.mean(each)))


def test_labels_fall_off_by_the_root() -> None:
    truth = np.zeros(9, np.bool_)
    truth[4] = True
    expected = [0, 0, math.sqrt(0.5), math.sqrt(0.75), 1, math.sqrt(0.75), math.sqrt(0.5), 0, 0]
    assert buffered_labels(truth, 4).tolist() == pytest.approx(expected)


def test_no_anomaly_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a range"):
        vus_pr(np.zeros(5), np.zeros(5, np.bool_))
