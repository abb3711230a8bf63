"""The last values of many series: ring buffers in one array, with robust statistics.

Memory: 8 bytes * series * window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.anomaly.slots import grown
from models.base import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: 1 / Phi^-1(3/4): scales the MAD of a normal series to its standard deviation.
MAD_TO_SIGMA = 1.4826
#: The quantile of absolute deviations that measures the tail, and its value for a normal series:
#: Phi^-1((1 + 0.995) / 2) standard deviations.
TAIL_SHARE, TAIL_SIGMAS = 0.995, 2.807
#: Values are clipped to this, so that their differences are finite.
LARGEST = 1e300


def occurrence(rows: Ints) -> Ints:
    """Return how often each entry occurred before: [3, 5, 3, 3] gives [0, 0, 1, 2]."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(rows)])
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(len(rows)) - np.repeat(starts, lengths)
    return ranks


class Windows:
    """The last `size` values of each row in a ring buffer; empty places contain +inf."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.values: Floats = np.full((0, size), np.inf)
        """(rows, size)"""
        self.totals: Ints = np.zeros(0, np.int64)
        """(rows,) number of values appended so far."""

    def grow_to(self, rows: int) -> None:
        """Add empty rows up to that number."""
        old = len(self.values)
        if rows > old:
            # In place: the allocator moves a large block to other addresses without copying it.
            self.values.resize((rows, self.size), refcheck=False)
            self.values[old:] = np.inf
        self.totals = grown(self.totals, rows)

    def clear(self, rows: list[int]) -> None:
        """Clear those rows."""
        self.values[rows] = np.inf
        self.totals[rows] = 0

    def append(self, rows: Ints, values: Floats) -> None:
        """Append `values` (n,) to `rows` (n,), in order; a row may occur several times."""
        if len(rows) == 0:
            return
        ranks = occurrence(rows)
        # Not by a count of every row: there may be many more than occur here.
        distinct, inverse, counts = np.unique(rows, return_inverse=True, return_counts=True)
        # Only the last `size` values of a row are written: no place is written twice.
        kept = ranks >= counts[inverse] - self.size
        places = (self.totals[rows] + ranks) % self.size
        self.values[rows[kept], places[kept]] = np.clip(values[kept], -LARGEST, LARGEST)
        self.totals[distinct] += counts

    def medians_and_spreads(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return the median and spread (n,) of each row; every row must have a value.

        The spread is the geometric mean of two estimates of the standard deviation: one of the
        core (1.4826 times the median absolute deviation, or the mean absolute deviation if more
        than half of the values are equal) and one of the tail (from the 99.5 % quantile of the
        absolute deviations, never below the core). They are equal for a normal series; for one
        with heavy tails the core alone would make anomalies of its usual bursts.
        """
        values, counts = self.values[rows], np.minimum(self.totals[rows], self.size)
        medians = _medians(np.sort(values, axis=1), counts)
        deviations = np.sort(np.abs(values - medians[:, None]), axis=1)
        means = np.where(np.isfinite(deviations), deviations, 0.0).sum(axis=1) / counts
        core = np.maximum(MAD_TO_SIGMA * _medians(deviations, counts), means)
        last = np.minimum((TAIL_SHARE * counts).astype(np.int64), counts - 1)
        tail = np.maximum(core, deviations[np.arange(len(rows)), last] / TAIL_SIGMAS)
        return medians, np.sqrt(core) * np.sqrt(tail)

    def check(self) -> None:
        """Check a restored state.

        Raises:
            ModelError: counts and values do not fit together.
        """
        held = np.minimum(self.totals, self.size)
        filled = np.arange(self.size) < held[:, None]
        if (held < 1).any() or not np.array_equal(np.isfinite(self.values), filled):
            raise ModelError("the snapshot's windows do not have as many values as they count")


def _medians(ordered: Floats, counts: Ints) -> Floats:
    """Return the median of the first `counts` values of each ascending row."""
    at = np.arange(len(ordered))
    # Halved before the addition, which could overflow otherwise.
    middle: Floats = ordered[at, (counts - 1) // 2] / 2 + ordered[at, counts // 2] / 2
    return middle
