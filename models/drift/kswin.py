"""KSWIN: the newest values of a window against older ones, by the Kolmogorov-Smirnov test.

Raab, Heusinger and Schleif, 2020, "Reactive soft prototype computing for concept drift streams",
Neurocomputing 416. It also notices a clear change of the shape alone.
"""

from __future__ import annotations

import msgspec
import numpy as np

_WINDOW, _NEWEST = 100, 30
#: The test is made once for so many values; the paper makes it for each.
_CLOCK = 10
#: A smaller distance between the distributions is none that matters.
_LEAST_DISTANCE = 0.1


class Kswin(msgspec.Struct):
    """The window of one series: 70 older values and the newest 30."""

    alpha: float = 1e-4
    """Probability of a false alarm at a check."""
    window: list[float] = []
    num_values: int = 0

    def update(self, value: float) -> bool:
        """Add a value; return whether the distribution has changed, so that old ones go."""
        self.window.append(value)
        del self.window[:-_WINDOW]
        self.num_values += 1
        if len(self.window) < _WINDOW or self.num_values % _CLOCK:
            return False
        from scipy.stats import ks_2samp

        # All older values, where the paper draws 30 of them: no dice, and a sharper test.
        values = np.array(self.window)
        test = ks_2samp(values[:-_NEWEST], values[-_NEWEST:], method="exact")
        if test.pvalue > self.alpha or test.statistic <= _LEAST_DISTANCE:
            return False
        self.window = self.window[-_NEWEST:]
        return True
