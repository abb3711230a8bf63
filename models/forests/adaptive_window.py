"""Detect that a rate of errors has risen, by a window that shrinks where its parts differ.

Source: Bifet and Gavalda, 2007, "Learning from Time-Changing Data with Adaptive Windowing" (ADWIN).
Here a bucket is a learning step, not one error, so that a whole step is added at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

#: Buckets of about one size, before the two oldest of them are joined. ADWIN's M.
_SAME_SIZE = 5
#: Errors on either side of a cut, at least.
_MIN_SIDE = 5.0


class Change(NamedTuple):
    """What the newest errors show."""

    is_warning: bool
    is_drift: bool


class AdaptiveWindow:
    """The errors since the last change, as buckets that double towards the past."""

    def __init__(self, warning_delta: float, drift_delta: float) -> None:
        """Set the chances of a false alarm."""
        self._warning_delta, self._drift_delta = warning_delta, drift_delta
        self.counts: list[float] = []
        self.errors: list[float] = []
        """Oldest first."""

    def add(self, count: float, errors: float) -> Change:
        """Add a step's answers and errors, and tell whether the rate of errors has risen."""
        if count <= 0:
            return Change(False, False)
        self.counts.append(count)
        self.errors.append(errors)
        self._join_old()
        is_warning = self._cut(self._warning_delta) is not None
        is_drift = False
        while (cut := self._cut(self._drift_delta) if is_warning else None) is not None:
            is_drift = True
            del self.counts[:cut], self.errors[:cut]
        return Change(is_warning, is_drift)

    def _join_old(self) -> None:
        """Join the two oldest of more than `_SAME_SIZE` buckets of one size class."""
        stop = len(self.counts)
        size = -1
        run = 0
        for i in range(stop - 1, -1, -1):
            own = max(int(math.log2(max(self.counts[i], 1.0))), size)
            run = run + 1 if own == size else 1
            size = own
            if run > _SAME_SIZE:
                self.counts[i : i + 2] = [self.counts[i] + self.counts[i + 1]]
                self.errors[i : i + 2] = [self.errors[i] + self.errors[i + 1]]
                return

    def _cut(self, delta: float) -> int | None:
        """Return where the older part ends that has clearly fewer errors, None if nowhere."""
        if len(self.counts) < 2:
            return None
        counts, errors = np.cumsum(self.counts), np.cumsum(self.errors)
        total, mean = counts[-1], errors[-1] / counts[-1]
        old, new = counts[:-1], total - counts[:-1]
        rise = (errors[-1] - errors[:-1]) / new - errors[:-1] / old
        log = math.log(2.0 * math.log(max(total, 3.0)) / delta)
        harmonic = 1.0 / (1.0 / old + 1.0 / new)
        limit = np.sqrt(2.0 / harmonic * mean * (1.0 - mean) * log) + 2.0 / (3.0 * harmonic) * log
        found = np.flatnonzero((rise > limit) & (old >= _MIN_SIDE) & (new >= _MIN_SIDE))
        return int(found[-1]) + 1 if len(found) else None
