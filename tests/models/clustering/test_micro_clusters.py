"""Micro-clusters are additive: weight, mean and squares are those of all their events."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.micro_clusters import MicroClusters

RNG = np.random.default_rng(0)


def of(values: np.ndarray, first: int = 0) -> MicroClusters:
    micro = MicroClusters(values.shape[1])
    micro.append(values, np.arange(first, first + len(values), dtype=np.float64))
    return micro


def assert_same(micro: MicroClusters, values: np.ndarray, times: np.ndarray) -> None:
    assert micro.weights[0] == pytest.approx(len(values))
    assert micro.means[0] == pytest.approx(values.mean(axis=0))
    assert micro.squares[0] == pytest.approx(((values - values.mean(axis=0)) ** 2).sum(axis=0))
    assert micro.times[0] == pytest.approx(times.mean())
    assert micro.time_squares[0] == pytest.approx(((times - times.mean()) ** 2).sum())


def test_events_add_up() -> None:
    values = RNG.normal(1e6, 3.0, (50, 4))
    micro = of(values[:20])
    times = np.arange(20.0, 50.0)
    micro.add(np.zeros(30, np.int64), values[20:], times)
    assert_same(micro, values, np.arange(50.0))


def test_micro_clusters_add_up() -> None:
    values = RNG.normal(5.0, 3.0, (50, 4))
    micro = of(values[:20])
    micro.append(values[20:], np.arange(20.0, 50.0))
    micro.merge(0, 1)
    assert len(micro) == 1
    assert_same(micro, values, np.arange(50.0))


def test_fading_changes_no_mean_and_no_variance() -> None:
    micro = of(RNG.normal(0.0, 1.0, (30, 2)))
    unit, all_of_them = np.ones(2), np.array([0])
    mean, variance = micro.means.copy(), micro.variances(unit, all_of_them)
    micro.fade(0.25)
    assert micro.weights[0] == 7.5
    assert micro.means.tolist() == mean.tolist()
    assert micro.variances(unit, all_of_them) == pytest.approx(variance)


def test_ids_are_never_used_twice() -> None:
    micro = of(np.zeros((1, 2)))
    micro.append(np.ones((1, 2)), np.zeros(1))
    micro.keep(np.array([True, False]))
    micro.append(np.ones((1, 2)), np.zeros(1))
    assert micro.ids.tolist() == [0, 2]


def test_no_event_changes_nothing() -> None:
    micro = of(np.zeros((3, 2)))
    micro.add(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0))
    assert micro.weights.tolist() == [3.0]


def test_a_feature_that_comes_later_is_at_its_mean() -> None:
    micro = of(np.zeros((3, 2)))
    micro.widen(np.array([7.0]))
    assert micro.means.tolist() == [[0.0, 0.0, 7.0]]
    assert micro.squares.tolist() == [[0.0, 0.0, 0.0]]
