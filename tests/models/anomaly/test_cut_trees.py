"""Random cut trees: always trees over their samples, and displacement as the paper defines it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.anomaly.cut_trees import CutTrees
from models.anomaly.cut_trees_state import pack_trees, unpack_trees
from models.base import ModelError
from models.snapshots import Snapshot, save_array

Floats = NDArray[np.float64]
TREES, SAMPLES = 4, 16


def grown(points: Floats, seed: int = 0) -> CutTrees:
    trees = CutTrees(TREES, SAMPLES, points.shape[1])
    rng = np.random.default_rng(seed)
    for point in points[:SAMPLES]:
        trees.grow(point, np.ones(points.shape[1]), rng)
    return trees


def points_below(trees: CutTrees, tree: int, node: int) -> list[Floats]:
    """Check all that must hold below a node; return its points."""
    if node >= SAMPLES - 1:
        assert trees.mass[tree, node] == 1
        return [trees.low[tree, node]]
    children = int(trees.left[tree, node]), int(trees.right[tree, node])
    for child in children:
        assert trees.parent[tree, child] == node
    left, right = (points_below(trees, tree, child) for child in children)
    every = np.array(left + right)
    assert trees.mass[tree, node] == len(every)
    np.testing.assert_array_equal(trees.low[tree, node], every.min(axis=0))
    np.testing.assert_array_equal(trees.high[tree, node], every.max(axis=0))
    if (every.min(axis=0) < every.max(axis=0)).any():
        feature, cut = trees.feature[tree, node], trees.cut[tree, node]
        assert max(point[feature] for point in left) <= cut < min(p[feature] for p in right)
    return left + right


def test_insertions_and_deletions_keep_trees_over_the_samples() -> None:
    rng = np.random.default_rng(5)
    points = rng.normal(size=(400, 3))
    points[::3] = 1.0  # a third are equal
    trees = grown(points)
    live = [[tuple(p) for p in points[:SAMPLES]] for _ in range(TREES)]
    for point in points[SAMPLES:]:
        chosen = np.flatnonzero(rng.random(TREES) < 0.5)
        samples = rng.integers(0, SAMPLES, len(chosen))
        trees.replace(chosen, samples, np.tile(point, (len(chosen), 1)), np.ones(3), rng)
        for tree, sample in zip(chosen.tolist(), samples.tolist(), strict=True):
            live[tree][sample] = tuple(point)
    for tree in range(TREES):
        found = points_below(trees, tree, int(trees.root[tree]))
        assert sorted(map(tuple, found)) == sorted(live[tree])


def codisp_of_drawn_cut(
    trees: CutTrees, tree: int, point: Floats, rng: np.random.Generator
) -> float:
    """Insert into one tree by drawn cuts; return the collusive displacement by its definition."""
    node, ratios = int(trees.root[tree]), [0.0]
    while True:
        low, high = trees.low[tree, node], trees.high[tree, node]
        below, above = np.minimum(low, point), np.maximum(high, point)
        at = rng.random() * float((above - below).sum())
        sides = np.cumsum(above - below)
        feature = int(np.searchsorted(sides, at, "right"))
        cut = below[feature] + at - (sides[feature] - (above - below)[feature])
        if not low[feature] <= cut < high[feature]:
            return max([*ratios, float(trees.mass[tree, node])])
        children = int(trees.left[tree, node]), int(trees.right[tree, node])
        is_left = point[trees.feature[tree, node]] <= trees.cut[tree, node]
        child, other = children if is_left else children[::-1]
        ratios.append(trees.mass[tree, other] / (trees.mass[tree, child] + 1.0))
        node = child


@pytest.mark.parametrize("at", [0.0, 1.5, 4.0])
def test_the_expected_displacement_is_the_mean_over_drawn_cuts(at: float) -> None:
    points = np.random.default_rng(2).normal(size=(SAMPLES, 2)) * 3.0
    trees, rng = grown(points), np.random.default_rng(3)
    point = np.full(2, at)
    drawn = [codisp_of_drawn_cut(trees, t, point, rng) for _ in range(3000) for t in range(TREES)]
    found = trees.displacement(point[None], np.ones(2)).expected[0]
    # The tolerance of 0.01 spreads makes it a little smaller.
    assert found == pytest.approx(np.mean(drawn), rel=0.05, abs=0.05)


def test_a_far_point_displaces_all_and_by_its_feature() -> None:
    points = np.random.default_rng(1).normal(size=(SAMPLES, 3))
    found = grown(points).displacement(np.array([[0.0, 1e3, 0.0], [0.0, 0.0, 0.0]]), np.ones(3))
    assert found.expected[0] > 0.95 * SAMPLES
    assert found.by_feature[0].argmax() == 1
    assert found.by_feature[0, 1] > 0.98 * found.by_feature[0].sum()
    assert found.expected[1] < found.expected[0] / 2


def test_an_equal_point_is_not_cut_off() -> None:
    trees = grown(np.ones((SAMPLES, 2)))
    same, other = trees.displacement(np.array([[1.0, 1.0], [1.0, 9.0]]), np.ones(2)).expected
    assert same == 0.0
    assert other > 0.95 * SAMPLES


def test_a_row_does_not_depend_on_its_neighbors() -> None:
    points = np.random.default_rng(4).normal(size=(40, 5))
    trees = grown(points)
    together = trees.displacement(points, np.ones(5))
    for row, point in enumerate(points):
        alone = trees.displacement(point[None], np.ones(5))
        assert alone.expected[0] == together.expected[row]


def test_a_snapshot_has_the_same_trees_and_a_damaged_one_is_refused() -> None:
    trees = grown(np.random.default_rng(6).normal(size=(SAMPLES, 2)))
    arrays = pack_trees([trees])

    def saved(**changed: NDArray[np.int32]) -> Snapshot:
        every = {name: save_array(array) for name, array in (arrays | changed).items()}
        every = {n: type(a)(a.dtype, a.shape, bytes(a.data)) for n, a in every.items()}
        return Snapshot(kind="random_cut_forest", version=1, options={}, arrays=every)

    (again,) = unpack_trees(saved(), TREES, SAMPLES, [2])
    for name in ("low", "high", "mass", "left", "right", "parent", "cut", "root"):
        used = (slice(None), slice(None, 2 * SAMPLES - 1)) if name != "root" else slice(None)
        np.testing.assert_array_equal(getattr(again, name)[used], getattr(trees, name)[used])
    for name in ("tree_left", "tree_right", "tree_parent", "tree_feature"):
        wrong = arrays[name].copy()
        wrong[:] = wrong[::-1]
        with pytest.raises(ModelError, match="damaged"):
            unpack_trees(saved(**{name: wrong + 7}), TREES, SAMPLES, [2])
