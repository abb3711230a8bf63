"""Credits of splits: they sum to the score, and a fault in one of many channels ranks first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from models.anomaly.half_space_trees import HalfSpaceTrees
from models.anomaly.isolation_forest import IsolationForest
from models.anomaly.isolation_trees import fit_trees, longest_path, mean_path
from models.anomaly.tree_contributions import credits, usual_credits
from models.anomaly.tree_scores import Points, tree_scores
from models.anomaly.trees import Trees
from models.evaluation import answer_stream, one_result
from schemas import AnomalyScore, SensorReading

Model = HalfSpaceTrees | IsolationForest
CHANNELS = [f"c{i:02}" for i in range(12)]


def half_space_trees(seed: int) -> Model:
    return HalfSpaceTrees(depth=8, window=256, min_values=256, seed=seed)


def isolation_forest(seed: int) -> Model:
    return IsolationForest(
        trees=50, max_samples=64, window=256, min_values=128, refit_every=128, delay=16, seed=seed
    )


MODELS = pytest.mark.parametrize("make", [half_space_trees, isolation_forest])


def readings(rows: NDArray[np.float64]) -> list[SensorReading]:
    return [
        SensorReading(source_id="s", values=dict(zip(CHANNELS, row, strict=False)))
        for row in rows.tolist()
    ]


def learned(make: Callable[[int], Model], seed: int, num_channels: int) -> Model:
    """Return a model of noise whose channels have means and spreads of very different sizes."""
    model = make(seed)
    list(answer_stream(model, noise(seed, num_channels)))
    return model


def noise(seed: int, num_channels: int) -> list[SensorReading]:
    rows = np.random.default_rng(seed).normal(3.0, 1.0, (400, num_channels))
    return readings(10.0 ** np.arange(num_channels) * rows)


def faults(seed: int, num_channels: int, deviations: float) -> list[SensorReading]:
    """Return a reading for each channel, which is that many deviations off there only."""
    rows = np.random.default_rng(seed + 1000).normal(3.0, 1.0, (num_channels, num_channels))
    np.fill_diagonal(rows, 3.0 + deviations)
    return readings(10.0 ** np.arange(num_channels) * rows)


@pytest.mark.parametrize(
    ("make", "num_channels", "num_explained"),
    [(half_space_trees, 3, 2), (isolation_forest, 12, 11)],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_channel_with_the_fault_ranks_first(
    make: Callable[[int], Model], num_channels: int, num_explained: int, seed: int
) -> None:
    """Half-space trees find a fault in one of many channels not unusual enough to explain it."""
    model = learned(make, seed, num_channels)
    answers = model.predict_batch(faults(seed, num_channels, 9.0))
    explained = [(name, one) for name, one in zip(CHANNELS, answers, strict=False) if one.channel]
    assert len(explained) >= num_explained
    for name, one in explained:
        assert one.channel == next(iter(one.contributions)) == name
        assert 0.99 <= sum(one.contributions.values()) <= 1.001 or len(one.contributions) == 8


@pytest.mark.parametrize("features_per_tree", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_half_space_trees_rank_the_fault_first_of_many(seed: int, features_per_tree: int) -> None:
    model = HalfSpaceTrees(
        depth=8, window=256, min_values=256, seed=seed, features_per_tree=features_per_tree
    )
    count = len(CHANNELS)
    list(answer_stream(model, noise(seed, count)))
    batch = faults(seed, count, 9.0)
    (part,) = model._points(batch, model._find(batch), 0)
    assert model._parts(part).argmax(axis=1).tolist() == list(range(count))


@MODELS
def test_usual_readings_have_no_contributions(make: Callable[[int], Model]) -> None:
    model = learned(make, 0, 3)
    (usual,) = model.predict_batch(readings(np.array([[3.0, 30.0, 300.0]])))
    assert usual.is_scored
    assert (usual.contributions, usual.channel) == ({}, "")


@MODELS
def test_one_channel_is_the_whole(make: Callable[[int], Model]) -> None:
    model = learned(make, 0, 1)
    (far,) = model.predict_batch(readings(np.array([[40.0]])))
    assert (far.contributions, far.channel) == ({"c00": 1.0}, "c00")


@MODELS
def test_contributions_do_not_depend_on_the_batch_or_a_restore(
    make: Callable[[int], Model],
) -> None:
    model, restored = learned(make, 1, 4), make(1)
    restored.restore(model.snapshot())
    batch = faults(1, 4, 9.0)
    alone: list[AnomalyScore] = [one_result(model.predict_batch([one])[0]) for one in batch]
    assert model.predict_batch(batch) == alone
    assert restored.predict_batch(batch) == alone


@pytest.mark.parametrize("features_per_tree", [1, 3])
def test_credits_of_half_space_trees_sum_to_the_score(features_per_tree: int) -> None:
    rng = np.random.default_rng(0)
    trees = Trees(10, 6, 4, features_per_tree, seed=1)
    reference, points = rng.random((100, 4)), rng.random((20, 4)) * 2 - 0.5
    masses = trees.counts([reference]).astype(np.uint16)
    part = Points(masses, np.zeros(20, np.int64), np.full(20, 100), points, np.arange(20), ())
    values = -np.log2(tree_scores(trees, [part]))  # means over the trees
    assert credits(trees, part).sum(axis=1) / 10 == pytest.approx(1.0 - values)
    own = Points(masses, np.zeros(100, np.int64), np.full(100, 100), reference, np.arange(100), ())
    usual = usual_credits(trees, masses[0], 100, 4)
    assert credits(trees, own).mean(axis=0) == pytest.approx(usual)


def test_credits_of_isolation_trees_sum_to_the_path() -> None:
    rng = np.random.default_rng(0)
    trained, points = rng.normal(size=(64, 3)), 3 * rng.normal(size=(20, 3))
    trees, depth = fit_trees(trained, 10, 64, seed=1), longest_path(64)
    means = trees.mean_paths(64, depth)
    unit = float(mean_path(np.array([64]))[0])
    paths = -np.log2(trees.scores(points, 64, depth)) * unit
    shorter = trees.credits(points, means, depth).sum(axis=1)
    assert means[:, 0].mean() - paths == pytest.approx(shorter)
    assert (means[:, 0] > 3).all()
