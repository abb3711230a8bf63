"""Turns mappings from names to numbers into the rows of an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def feature_rows(mappings: Sequence[Mapping[str, float]], names: Sequence[str]) -> Floats:
    """Return the numbers under these names (n, len(names)), NaN where a mapping lacks a name."""
    return np.array(_rows(mappings, names), np.float64).reshape(len(mappings), len(names))


def _rows(mappings: Sequence[Mapping[str, float]], names: Sequence[str]) -> list[Sequence[float]]:
    if len(names) > 1:
        all_of = itemgetter(*names)
        try:
            return [all_of(mapping) for mapping in mappings]
        except KeyError:  # one lacks a name
            pass
    nan = float("nan")
    return [[mapping.get(name, nan) for name in names] for mapping in mappings]
