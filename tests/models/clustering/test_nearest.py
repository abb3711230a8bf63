"""The nearest center: the right one, and the same alone and among the points of other models."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.nearest import nearest, nearest_of_each

SHAPES = [(features, k) for features in (1, 2, 7, 8, 9, 40) for k in (1, 2, 8, 20)]


@pytest.mark.parametrize(("features", "k"), SHAPES)
def test_the_nearest_of_all_centers_is_found(features: int, k: int) -> None:
    rng = np.random.default_rng(0)
    points, centers = rng.normal(size=(50, features)), rng.normal(size=(k, features))
    index, squared = nearest(points, centers)
    expected = ((points[:, None] - centers) ** 2).sum(axis=2)
    assert index.tolist() == expected.argmin(axis=1).tolist()
    assert squared == pytest.approx(expected.min(axis=1))


@pytest.mark.parametrize(("features", "k"), SHAPES)
def test_points_of_other_models_change_nothing(features: int, k: int) -> None:
    rng = np.random.default_rng(1)
    centers = [rng.normal(size=(rng.integers(1, k + 1), features)) for _ in range(5)]
    owners = np.repeat([0, 1, 3, 4], [1, 30, 2, 9])  # model 2 has no points
    points = rng.normal(size=(len(owners), features))
    index, squared = nearest_of_each(points, centers, owners)
    for model, own in enumerate(centers):
        at = owners == model
        alone = nearest(points[at], own)
        assert np.array_equal(index[at], alone[0])
        assert np.array_equal(squared[at], alone[1])


def test_of_equal_centers_the_first_is_nearest() -> None:
    points = np.random.default_rng(2).normal(size=(30, 3))
    index, _ = nearest_of_each(points, [np.ones((4, 3)), np.zeros((2, 3))], np.arange(30) // 15)
    assert set(index.tolist()) == {0}
