"""Subsequences of a source: scales, order, absent and new channels, absurd values."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.calibration import LASTING_CHANGE
from models.anomaly.source_window import LARGEST_SCALED, SourceWindow
from schemas import SensorReading


def reading(**values: float) -> SensorReading:
    return SensorReading(source_id="s", values=values)


def started(window: int = 2, count: int = 40, **options: bool) -> SourceWindow:
    made = SourceWindow(window, 8, count, 4, **options)
    rng = np.random.default_rng(0)
    made.append([reading(a=10 + x, b=5.0) for x in rng.normal(size=count).tolist()])
    assert made.is_full
    made.fix_scales()
    return made


def test_vectors_are_scaled_and_oldest_first() -> None:
    window = started()
    window.append([reading(a=window.mean[0] + window.spread[0], b=5.0)])
    vector = window.vectors([reading(a=window.mean[0] - 2 * window.spread[0], b=5.0)])
    np.testing.assert_allclose(vector, [[1.0, 0.0, -2.0, 0.0]], atol=1e-9)


def test_vectors_of_a_step_do_not_see_each_other_and_learned_ones_do() -> None:
    window = started()
    pair = [reading(a=11.0, b=5.0), reading(a=9.0, b=5.0)]
    asked = window.vectors(pair)
    np.testing.assert_array_equal(asked[0, :2], asked[1, :2])
    learned = window.append(pair)
    np.testing.assert_array_equal(learned[1, :2], learned[0, 2:])
    np.testing.assert_array_equal(learned[0], asked[0])


def test_an_automatic_window_depends_on_the_channels() -> None:
    assert started(window=0).length == 4  # 8 values, 2 channels
    one = SourceWindow(0, 8, 4, 4)
    one.append([reading(**{f"c{i}": 1.0 for i in range(4)})])
    assert one.length == 2


def test_an_absent_channel_is_at_its_mean_and_an_unknown_one_is_ignored() -> None:
    window = started(window=1)
    np.testing.assert_array_equal(window.vectors([reading(c=3.0)]), [[0.0, 0.0]])


def test_a_constant_has_a_least_spread_and_values_have_a_limit() -> None:
    window = started(window=1)
    assert window.spread[1] == pytest.approx(0.005)
    vector = window.vectors([reading(a=1e300, b=-1e300)])
    np.testing.assert_array_equal(vector, [[LARGEST_SCALED, -LARGEST_SCALED]])


def test_an_absurd_value_at_first_does_not_set_the_scale() -> None:
    window = SourceWindow(1, 8, 50, 4)
    values = np.random.default_rng(1).normal(10, 1, 50)
    values[7] = 1e12
    window.append([reading(a=x) for x in values.tolist()])
    window.fix_scales()
    assert window.spread[0] < 10
    assert window.mean[0] == pytest.approx(10, abs=1)


def test_too_many_channels_are_ignored_and_empty_readings_are_not_collected() -> None:
    window = SourceWindow(1, 8, 4, 2)
    window.append([reading(), reading(a=1.0, b=2.0, c=3.0)])
    assert window.channels == ["a", "b"]
    assert len(window.rows) == 1
    assert window.total == 2


def test_new_channels_that_stay_make_it_outdated() -> None:
    window = started(window=1)
    for _ in range(LASTING_CHANGE - 1):
        window.append([reading(a=10.0, b=5.0, new=1.0)])
    assert not window.is_outdated
    window.append([reading(new=1.0)])
    assert window.is_outdated


def test_scales_move_towards_what_is_learned() -> None:
    window = started(window=1)
    mean, spread = window.mean[0], window.spread[0]
    window.learn_scales(np.array([[1.0, 0.0], [3.0, 0.0]]), 0.5)
    assert window.mean[0] == pytest.approx(mean + 0.5 * 2.0 * spread)
    assert window.variance[0] == pytest.approx((0.5 + 0.5 * 5.0) * spread**2)


def test_values_in_their_units_are_not_scaled() -> None:
    window = started(window=1, is_scaled=False)
    np.testing.assert_array_equal(window.vectors([reading(a=1e6, b=2.0)]), [[1e6, 2.0]])
    np.testing.assert_array_equal(window.vectors([reading(b=2.0)])[:, 0], window.mean[:1])
