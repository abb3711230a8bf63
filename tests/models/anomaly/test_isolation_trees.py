"""Isolation trees as arrays: the same scores as scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.isolation_trees import fit_trees, longest_path, mean_path


@pytest.mark.parametrize(("count", "samples"), [(500, 64), (40, 128), (2, 8)])
def test_the_arrays_score_like_scikit_learn(count: int, samples: int) -> None:
    from sklearn.ensemble import IsolationForest

    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, 3))
    probes = np.concatenate([points, 9 * rng.normal(size=(50, 3))])
    used = min(samples, count)
    peer = IsolationForest(n_estimators=20, max_samples=used, random_state=5)
    peer.fit(points.astype(np.float32))
    expected = -peer.score_samples(probes.astype(np.float32))
    trees = fit_trees(points, 20, samples, 5)
    actual = trees.scores(probes, used, longest_path(used))
    assert actual == pytest.approx(expected, abs=1e-9)


def test_the_seed_determines_the_trees() -> None:
    points = np.random.default_rng(0).normal(size=(100, 2))
    one, again, other = (fit_trees(points, 5, 32, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one[i], again[i]) for i in range(5))
    assert not np.array_equal(one.thresholds, other.thresholds)


def test_the_mean_path_of_one_two_and_many_points() -> None:
    actual = mean_path(np.array([1, 2, 256]))
    assert actual == pytest.approx([0.0, 1.0, 10.2448], abs=1e-3)  # the paper: 10.24
