"""The last values of many series at once: ring buffers as one array, with their robust statistics.

Memory: 8 bytes times series times window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.anomaly.slots import grown
from models.base import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: 1 / Phi^-1(3/4): makes the MAD of a normal series its standard deviation.
MAD_TO_SIGMA = 1.4826
#: The share of absolute deviations that the tail is measured at, and where it lies for a normal
#: series: Phi^-1((1 + 0.995) / 2) standard deviations.
TAIL_SHARE, TAIL_SIGMAS = 0.995, 2.807
#: Values are held to this size, so that differences of them stay finite.
LARGEST = 1e300


def occurrence(rows: Ints) -> Ints:
    """Return how often each entry's row occurred before it: [3, 5, 3, 3] gives [0, 0, 1, 2]."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(rows)])
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(len(rows)) - np.repeat(starts, lengths)
    return ranks


class Windows:
    """Per row, the last `size` values in arrival order; empty places hold +inf."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: Floats = np.full((0, size), np.inf)
        """(rows, size)"""
        self.totals: Ints = np.zeros(0, np.int64)
        """(rows,) values ever appended."""

    def grow_to(self, rows: int) -> None:
        """Make room for that many rows."""
        old = len(self.values)
        self.values = grown(self.values, rows)
        self.values[old:] = np.inf
        self.totals = grown(self.totals, rows)

    def clear(self, rows: list[int]) -> None:
        """Forget what those rows hold."""
        self.values[rows] = np.inf
        self.totals[rows] = 0

    def append(self, rows: Ints, values: Floats) -> None:
        """Append `values` (n,) to `rows` (n,), in order; a row may occur many times."""
        if len(rows) == 0:
            return
        ranks = occurrence(rows)
        counts = np.bincount(rows, minlength=len(self.totals))
        # Of more than `size` values for one row only the last stay: no place is written twice.
        kept = ranks >= counts[rows] - self.size
        places = (self.totals[rows] + ranks) % self.size
        self.values[rows[kept], places[kept]] = np.clip(values[kept], -LARGEST, LARGEST)
        self.totals += counts

    def medians_and_spreads(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return each row's median and spread, (n,) both; rows must hold a value.

        The spread is the geometric mean of two estimates of a standard deviation: of the core
        (1.4826 times the median absolute deviation, or the mean absolute deviation where more
        than half of the values are equal) and of the tail (the 99.5 % quantile of the absolute
        deviations, never below the core). Both are the same for a normal series; for one with
        heavy tails the core alone would call its usual bursts anomalies.
        """
        held, counts = self.values[rows], np.minimum(self.totals[rows], self.size)
        medians = _medians(np.sort(held, axis=1), counts)
        away = np.sort(np.abs(held - medians[:, None]), axis=1)
        means = np.where(np.isfinite(away), away, 0.0).sum(axis=1) / counts
        core = np.maximum(MAD_TO_SIGMA * _medians(away, counts), means)
        last = np.minimum((TAIL_SHARE * counts).astype(np.int64), counts - 1)
        tail = np.maximum(core, away[np.arange(len(rows)), last] / TAIL_SIGMAS)
        return medians, np.sqrt(core) * np.sqrt(tail)

    def check(self) -> None:
        """Check a restored state.

        Raises:
            ModelError: a count or a value is not one that `append` leaves.
        """
        held = np.minimum(self.totals, self.size)
        filled = np.arange(self.size) < held[:, None]
        if (held < 1).any() or not np.array_equal(np.isfinite(self.values), filled):
            raise ModelError("the snapshot's windows do not hold as many values as they count")


def _medians(ordered: Floats, counts: Ints) -> Floats:
    """Return the median of the first `counts` values of each ascending row."""
    at = np.arange(len(ordered))
    # Halved before they are added: the sum of two largest values would overflow.
    middle: Floats = ordered[at, (counts - 1) // 2] / 2 + ordered[at, counts // 2] / 2
    return middle
