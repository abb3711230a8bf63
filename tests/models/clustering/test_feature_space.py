"""Log and scale by what was seen so far; hostile values do no lasting harm."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.feature_space import FeatureSpace, Scale


def space(scale: Scale = "range", log: bool = False, half_life: float = 1e6) -> FeatureSpace:
    return FeatureSpace(["a", "b"], scale, log, half_life)


def test_the_range_seen_so_far_is_0_to_1() -> None:
    one = space()
    one.learn(np.array([[0.0, 10.0], [4.0, 30.0]]))
    assert one.scaled(np.array([[2.0, 10.0], [4.0, 50.0]])) == pytest.approx(
        np.array([[0.5, 0.0], [1.0, 2.0]])
    )
    one.learn(np.array([[8.0, 30.0]]))
    assert one.scaled(np.array([[4.0, 20.0]])) == pytest.approx(np.array([[0.5, 0.5]]), rel=1e-5)


def test_deviations_from_the_mean() -> None:
    one = space("deviation")
    one.learn(np.array([[1.0, 0.0], [3.0, 0.0]]))
    assert one.scaled(np.array([[4.0, 7.0]])) == pytest.approx(np.array([[2.0, 0.0]]))


def test_no_scale() -> None:
    one = space("none")
    one.learn(np.array([[1.0, 0.0], [3.0, 0.0]]))
    assert one.scaled(np.array([[4.0, -7.0]])).tolist() == [[4.0, -7.0]]


def test_the_log_keeps_the_sign_and_can_be_undone() -> None:
    one = space(log=True)
    rows = one.rows([{"a": -9.0, "b": 99.0}, {"b": 0.0}])
    assert rows[0] == pytest.approx([-np.log(10.0), np.log(100.0)])
    assert np.isnan(rows[1, 0])
    assert one.plain(rows[0]) == pytest.approx([-9.0, 99.0])


def test_a_missing_value_is_at_the_mean() -> None:
    one = space()
    learned = one.learn(np.array([[0.0, 2.0], [2.0, 4.0], [np.nan, 6.0]]))
    assert learned[2].tolist() == [1.0, 6.0]
    assert one.scaled(np.array([[np.nan, 2.0]])).tolist() == [[0.5, 0.0]]


def test_a_constant_feature_adds_no_distance() -> None:
    one = space()
    one.learn(np.array([[5.0, 1.0], [5.0, 2.0]]))
    assert one.scaled(np.array([[5.0, 1.0], [900.0, 1.0]]))[:, 0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("scale", ["range", "deviation"])
@pytest.mark.parametrize("huge", [1e300, -1e300, 1e12])
def test_one_huge_value_moves_the_scale_only_a_little(scale: Scale, huge: float) -> None:
    one = space(scale)
    rng = np.random.default_rng(0)
    one.learn(rng.normal(0, 1, (1000, 2)))
    before = one.unit[0]
    one.learn(one.rows([{"a": huge, "b": 0.0}]))
    assert one.unit[0] < 12 * before
    for _ in range(5):
        one.learn(one.rows([{"a": huge, "b": huge}]))
    assert np.isfinite(one.scaled(one.rows([{"a": huge, "b": -huge}]))).all()


def test_the_range_forgets() -> None:
    one = space(half_life=100.0)
    one.learn(np.array([[0.0, 0.0], [100.0, 1.0]]))
    for _ in range(20):
        one.learn(np.random.default_rng(1).uniform(0, 1, (100, 2)))
    assert one.high[0] < 1.1


def test_a_feature_that_comes_later() -> None:
    one = space()
    one.learn(np.array([[0.0, 1.0], [1.0, 2.0]]))
    one.widen(["a", "b", "c"])
    one.learn(np.array([[0.0, 1.0, 5.0], [1.0, 2.0, 7.0]]))
    assert one.scaled(np.array([[1.0, 1.0, 6.0]])) == pytest.approx(np.array([[1.0, 0.0, 0.5]]))
