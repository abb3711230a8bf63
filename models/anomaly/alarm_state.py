"""Incidents: an anomaly opens one, and its repeats are damped until it is over.

Works for the surprises of any detector, for many keys at once: arrays with a row for each key.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: From so many recent incidents on, one about as unusual as those before is usual for the key.
HABIT = 12
#: An incident is about as unusual as those before up to this multiple of their mean surprise.
_HABIT_REACH = 1.25
#: In an open incident a surprise is reported again if it is this multiple of the last report's.
_CLEARLY = 1.25
#: Incidents are recent for about this many readings: then they count half.
_RECENT_READINGS = 16_384
_FORGET = 0.5 ** (1 / _RECENT_READINGS)


class Alarms(NamedTuple):
    """The incident state of n keys."""

    peak: Floats
    """(n,) the largest surprise of the open incident."""
    quiet: Floats
    """(n,) readings since that."""
    number: Floats
    """(n,) reported incidents so far; the open or the last one has this number."""
    is_public: Floats
    """(n,) 1 if the last incident was reported, 0 if it was usual for the key."""
    recent: Floats
    """(n,) recent incidents, reported or not; each loses half of its weight in 16,384 readings."""
    usual: Floats
    """(n,) mean surprise at the beginning of an incident."""

    def is_open(self, rest: int) -> Bools:
        """Return whether an incident is open, (n,): its peak is less than `rest` readings ago."""
        is_open: Bools = (self.recent > 0) & (self.quiet < rest)
        return is_open

    def judged(self, surprise: Floats, threshold: float, rest: int) -> tuple[Bools, Floats]:
        """Return which surprises (n,) are reported, and the numbers (n,) of open incidents.

        Few readings are unusual: only those are looked at.
        """
        reported, numbers = np.zeros(len(surprise), np.bool_), np.zeros(len(surprise))
        chosen = np.flatnonzero(self._can_change(surprise, threshold, rest))
        if len(chosen):
            own, unusual = self.rows(chosen), surprise[chosen]
            reported[chosen] = own.is_reported(unusual, threshold, rest)
            after = own._learned(unusual, threshold, rest)
            numbers[chosen] = np.where(reported[chosen], after.number, after.open_number(rest))
        return reported, numbers

    def is_reported(self, surprise: Floats, threshold: float, rest: int) -> Bools:
        """Return which surprises (n,) are anomalies and no repeats.

        In an open incident only one that is clearly more unusual is reported again.
        What a key has had `HABIT` times is no anomaly of it: a contact that seldom closes. With
        `rest` 0 all are reported.
        """
        is_habit = (rest > 0) & (self.recent >= HABIT) & (surprise <= _HABIT_REACH * self.usual)
        reported: Bools = self._is_peak(surprise, threshold, rest) & ~is_habit
        return reported

    def _is_peak(self, surprise: Floats, threshold: float, rest: int) -> Bools:
        is_repeat = self.is_open(rest) & (surprise <= _CLEARLY * self.peak)
        is_peak: Bools = (surprise >= threshold) & ~is_repeat
        return is_peak

    def learned(self, surprise: Floats, threshold: float, rest: int) -> Alarms:
        """Return the state after one more reading of each key."""
        after = Alarms(
            self.peak,
            self.quiet + 1.0,
            self.number,
            self.is_public,
            _FORGET * self.recent,
            self.usual,
        )
        changed = np.flatnonzero(self._can_change(surprise, threshold, rest))
        if not len(changed):
            return after
        if len(changed) > len(surprise) // 2:
            return self._learned(surprise, threshold, rest)
        parts = self.rows(changed)._learned(surprise[changed], threshold, rest)
        return Alarms(
            *(_with(whole, changed, part) for whole, part in zip(after, parts, strict=True))
        )

    def rows(self, chosen: Ints) -> Alarms:
        """Return the state of some of the keys."""
        return Alarms(*(field[chosen] for field in self))

    def _can_change(self, surprise: Floats, threshold: float, rest: int) -> Bools:
        """Return for which readings (n,) more changes than that time has passed."""
        can_change: Bools = (surprise >= threshold) | self.is_open(rest)
        return can_change

    def _learned(self, surprise: Floats, threshold: float, rest: int) -> Alarms:
        is_open, is_peak = self.is_open(rest), self._is_peak(surprise, threshold, rest)
        is_public = is_open & (self.is_public > 0)
        reported = self.is_reported(surprise, threshold, rest)
        is_new = is_peak & ~is_open
        rate = 1.0 / (np.minimum(self.recent, HABIT) + 1.0)
        return Alarms(
            np.where(is_peak, surprise, self.peak),
            np.where(is_peak, 0.0, self.quiet + 1.0),
            self.number + (reported & ~is_public),
            np.where(is_peak, is_public | reported, self.is_public),
            _FORGET * self.recent + is_new,
            self.usual + np.where(is_new, rate * (surprise - self.usual), 0.0),
        )

    def open_number(self, rest: int) -> Floats:
        """Return the number (n,) of the open incident if it was reported, else 0."""
        return np.where(self.is_open(rest) & (self.is_public > 0), self.number, 0.0)


def _with(whole: Floats, rows: Ints, values: Floats) -> Floats:
    """Return a copy of an array with these rows replaced."""
    changed = whole.copy()
    changed[rows] = values
    return changed
