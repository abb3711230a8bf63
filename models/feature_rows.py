"""Turns mappings from names to numbers into the rows of an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from struct import Struct

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


#: From so many numbers in a row on, packing rows is faster than an array of tuples.
_LEAST_PACKED = 8


def feature_rows(mappings: Sequence[Mapping[str, float]], names: Sequence[str]) -> Floats:
    """Return the numbers under these names (n, len(names)), NaN where a mapping lacks a name."""
    rows, shape = _rows(mappings, names), (len(mappings), len(names))
    if len(names) < _LEAST_PACKED:
        return np.array(rows, np.float64).reshape(shape)
    pack = Struct(f"{len(names)}d").pack
    packed = bytearray().join([pack(*row) for row in rows])
    return np.frombuffer(packed, np.float64).reshape(shape)


def _rows(mappings: Sequence[Mapping[str, float]], names: Sequence[str]) -> list[Sequence[float]]:
    if len(names) > 1:
        all_of = itemgetter(*names)
        try:
            return [all_of(mapping) for mapping in mappings]
        except KeyError:  # one lacks a name
            pass
    nan = float("nan")
    return [[mapping.get(name, nan) for name in names] for mapping in mappings]
