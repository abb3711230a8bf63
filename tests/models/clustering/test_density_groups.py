"""DBSCAN over micro-clusters, as scikit-learn does it."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.density_groups import connected, density_groups, squared_distances


def test_a_long_chain_is_one_component() -> None:
    links = np.eye(200, dtype=np.bool_) | np.eye(200, k=1, dtype=np.bool_)
    links |= links.T
    links[99, 100] = links[100, 99] = False
    labels = connected(links)
    assert labels.tolist() == [0] * 100 + [1] * 100


def test_nothing_is_connected_in_nothing() -> None:
    assert connected(np.zeros((0, 0), np.bool_)).tolist() == []


@pytest.mark.parametrize("seed", range(5))
def test_the_same_groups_as_scikit_learn(seed: int) -> None:
    from sklearn.cluster import DBSCAN

    rng = np.random.default_rng(seed)
    points, is_core = rng.uniform(0, 10, (150, 2)), rng.uniform(size=150) < 0.8
    found = density_groups(points, is_core, reach=0.9)
    # With a weight of 1 for each core and min_samples of 1, scikit-learn finds the same cores.
    expected = DBSCAN(eps=0.9, min_samples=1).fit(points[is_core]).labels_
    pairs = set(zip(found[is_core].tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len(set(expected.tolist())) == len(set(found[is_core].tolist()))


def test_a_border_joins_its_nearest_core_and_connects_nothing() -> None:
    centers = np.array([[0.0], [1.0], [2.1], [5.0]])
    found = density_groups(centers, np.array([True, False, True, False]), reach=1.2)
    assert found.tolist() == [0, 0, 1, 2]


def test_squared_distances() -> None:
    points, centers = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [3.0, 0.0]])
    assert squared_distances(points, centers) == pytest.approx(np.array([[0, 9], [25, 16]]))
