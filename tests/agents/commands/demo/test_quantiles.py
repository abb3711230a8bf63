import math

import pytest

from agents.commands.demo.quantiles import quantile

BOUNDS = (1.0, 2.0, 4.0, math.inf)


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (1.0, 2.0)]
)
def test_interpolates_within_a_bucket(q: float, expected: float) -> None:
    assert quantile(BOUNDS, (50, 100, 100, 100), q) == pytest.approx(expected)


def test_what_lies_beyond_the_last_bound_counts_as_that_bound() -> None:
    assert quantile(BOUNDS, (0, 0, 1, 10), 0.99) == 4.0


def test_an_empty_histogram_has_no_quantile() -> None:
    assert quantile(BOUNDS, (0, 0, 0, 0), 0.5) is None
    assert quantile((), (), 0.5) is None


def test_skips_empty_buckets() -> None:
    assert quantile(BOUNDS, (0, 0, 10, 10), 0.5) == pytest.approx(3.0)
