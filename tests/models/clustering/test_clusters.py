"""Partitions that learn in one step learn exactly what each learns alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.clustering.clusters import Clusters, learn_step


def state_of(clusters: Clusters) -> list[Any]:
    scale, centers = clusters.scale, clusters.centers
    arrays = (scale.weight, scale.mean, scale.squares, clusters.waiting, centers.places,
              centers.weights, centers.ids)  # fmt: skip
    numbers = [clusters.spread, clusters.num_steps, centers.next_id]
    return [*(array.ravel().tolist() for array in arrays), numbers]


@pytest.mark.parametrize("features", [1, 3, 9])
def test_a_joint_step_is_the_step_of_each(features: int) -> None:
    """Seeding, absent values, starved clusters and steps of any length included."""
    rng = np.random.default_rng(features)
    names = [f"f{i}" for i in range(features)]
    joint = [Clusters(names, 4, 60 + 50 * i, seed=i) for i in range(4)]
    alone = [Clusters(names, 4, 60 + 50 * i, seed=i) for i in range(4)]
    num_centers = set()
    for number in range(40):
        active = [i for i in range(4) if rng.random() < 0.7] or [0]
        steps = [rng.normal(i + number // 8 * 30, 1 + i, (rng.integers(1, 30), features))
                 for i in active]  # fmt: skip
        for step in steps:
            step[rng.random(step.shape) < 0.1] = np.nan
        learn_step([joint[i] for i in active], steps, half_life=100)
        for i, step in zip(active, steps, strict=True):
            learn_step([alone[i]], [step], half_life=100)
        assert [state_of(clusters) for clusters in joint] == [state_of(c) for c in alone]
        num_centers |= {len(clusters.centers) for clusters in joint}
    assert num_centers == {0, 4}
    assert max(clusters.centers.next_id for clusters in joint) > 4  # some cluster was replaced
