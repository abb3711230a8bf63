"""Mappings to rows: the order of the names, and NaN for a name that is absent."""

from __future__ import annotations

import numpy as np
import pytest

from models.feature_rows import feature_rows

ROWS = [{"a": 1.0, "b": 2.0}, {"b": 4.0, "c": 5.0, "a": 3.0}]


@pytest.mark.parametrize("names", [[], ["b"], ["b", "a"]])
def test_numbers_are_in_the_order_of_the_names(names: list[str]) -> None:
    expected = np.array([[row[name] for name in names] for row in ROWS], float).reshape(2, -1)
    assert np.array_equal(feature_rows(ROWS, names), expected)


@pytest.mark.parametrize("names", [["c"], ["c", "a"]])
def test_an_absent_name_is_nan(names: list[str]) -> None:
    rows = feature_rows(ROWS, names)
    assert np.isnan(rows[0, 0])
    assert rows[1, 0] == 5.0
    assert rows[:, 1:].tolist() == [[1.0], [3.0]][: len(rows)] if len(names) > 1 else True


def test_no_mappings_give_no_rows() -> None:
    assert feature_rows([], ["a", "b"]).shape == (0, 2)


@pytest.mark.parametrize("width", [3, 40])
def test_wide_rows_are_like_narrow_ones(width: int) -> None:
    """Wide rows are packed; whole numbers and absent names are read alike."""
    names = [f"n{i}" for i in range(width)]
    rows = [{name: float(i) for i, name in enumerate(names)} for _ in range(5)]
    rows[2] = {name: i for i, name in enumerate(reversed(names))}
    rows[3].pop(names[1])
    expected = [[row.get(name, np.nan) for name in names] for row in rows]
    found = feature_rows(rows, names)
    np.testing.assert_array_equal(found, np.array(expected, np.float64))
    found[0, 0] = 7.0  # writable
