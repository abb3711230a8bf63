"""Incidents: an anomaly opens one, and its repeats are damped until it is over.

Works for the surprises of any detector, for many keys at once: arrays with a row for each key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Alarms(NamedTuple):
    """The incident state of n keys."""

    peak: Floats
    """(n,) the largest surprise that the open incident reported."""
    quiet: Floats
    """(n,) readings since that report."""
    number: Floats
    """(n,) incidents so far; the open or the last one has this number."""

    def is_open(self, rest: int) -> Bools:
        """Return whether an incident is open, (n,): its last report is less than `rest` ago."""
        is_open: Bools = (self.number > 0) & (self.quiet < rest)
        return is_open

    def is_reported(self, surprise: Floats, threshold: float, rest: int) -> Bools:
        """Return which surprises (n,) are anomalies and no repeats.

        In an open incident only one that is more unusual than all before it is reported again.
        """
        reported: Bools = (surprise >= threshold) & (
            ~self.is_open(rest) | (surprise > self.peak)
        )
        return reported

    def learned(self, surprise: Floats, threshold: float, rest: int) -> Alarms:
        """Return the state after one more reading of each key."""
        reported = self.is_reported(surprise, threshold, rest)
        is_new = reported & ~self.is_open(rest)
        return Alarms(
            np.where(reported, surprise, self.peak),
            np.where(reported, 0.0, self.quiet + 1.0),
            self.number + is_new,
        )
