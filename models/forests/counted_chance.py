"""Random numbers by counter: the same offset gets the same ones, whatever was drawn before.

Source: Steele, Lea and Flood, 2014, "Fast Splittable Pseudorandom Number Generators" (SplitMix64).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_GOLDEN, _MIX_1, _MIX_2 = (
    np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def uniform(seed: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    """Return a number in [0, 1) for each pair of counters; the arrays are broadcast."""
    mixed = _mix(np.uint64(seed) + _mix(first.astype(np.uint64)))
    mixed = _mix(mixed + second.astype(np.uint64))
    result: Floats = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return result


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        mixed = state + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        result: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return result


def poisson(chances: Floats, mean: float) -> Floats:
    """Return numbers of a Poisson distribution for uniform ones in [0, 1)."""
    counts = np.arange(int(mean + 12 * mean**0.5) + 10)
    logs = counts * np.log(mean) - mean - np.cumsum(np.log(np.maximum(counts, 1)))
    return np.searchsorted(np.cumsum(np.exp(logs)), chances, side="right").astype(np.float64)
