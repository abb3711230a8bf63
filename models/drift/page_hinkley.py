"""The Page-Hinkley test: a sum of deviations that grows when the mean has moved.

Page, 1954, "Continuous inspection schemes", Biometrika 41; Hinkley, 1971, Biometrika 58. The same
arithmetic as `river`'s PageHinkley.
"""

from __future__ import annotations

import msgspec

_ALPHA = 1 - 0.0001
_MIN_VALUES = 30


class PageHinkley(msgspec.Struct):
    """The sums of one series; they start again after a change."""

    threshold: float = 30.0
    """How far a sum must move."""
    delta: float = 0.25
    """Deviations up to this do not count."""
    num_values: int = 0
    mean: float = 0.0
    increase: float = 0.0
    least_increase: float = 0.0
    decrease: float = 0.0
    most_decrease: float = 0.0

    def update(self, value: float) -> bool:
        """Add a value; return whether the mean has changed, up or down."""
        self.num_values += 1
        self.mean += (value - self.mean) / self.num_values
        deviation = value - self.mean
        self.increase = _ALPHA * self.increase + deviation - self.delta
        self.decrease = _ALPHA * self.decrease + deviation + self.delta
        self.least_increase = min(self.least_increase, self.increase)
        self.most_decrease = max(self.most_decrease, self.decrease)
        if self.num_values < _MIN_VALUES:
            return False
        moved = max(self.increase - self.least_increase, self.most_decrease - self.decrease)
        if moved <= self.threshold:
            return False
        self.num_values, self.mean = 0, 0.0
        self.increase = self.least_increase = self.decrease = self.most_decrease = 0.0
        return True
