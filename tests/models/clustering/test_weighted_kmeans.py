"""Weighted k-means with seeds that are not drawn."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.weighted_kmeans import spread_seeds, weighted_kmeans

POINTS = np.array([[0.0], [1.0], [10.0], [11.0]])


def test_seeds_begin_at_the_heaviest_and_spread() -> None:
    none = np.zeros((0, 1))
    assert spread_seeds(POINTS, np.array([1.0, 1, 1, 2]), none, 2).tolist() == [[11.0], [0.0]]


def test_no_more_seeds_than_points_that_differ() -> None:
    assert len(spread_seeds(np.ones((5, 1)), np.ones(5), np.zeros((0, 1)), 3)) == 1


def test_a_center_is_the_weighted_mean() -> None:
    weights = np.array([3.0, 1.0, 1.0, 1.0])
    centers, index = weighted_kmeans(POINTS, weights, np.array([[0.0], [11.0]]), 10)
    assert centers[:, 0] == pytest.approx([0.25, 10.5])
    assert index.tolist() == [0, 0, 1, 1]


def test_a_center_without_points_is_left_out() -> None:
    centers, index = weighted_kmeans(POINTS, np.ones(4), np.array([[99.0], [0.0], [11.0]]), 10)
    assert len(centers) == 2
    assert index.tolist() == [0, 0, 1, 1]
