"""The share of right answers among recent labels, as a decayed mean."""

from __future__ import annotations


class RunningAccuracy:
    """Counts right answers; older labels count less.

    Source: Gama, Sebastiao and Rodrigues, 2013, "On evaluating stream learning algorithms" (fading
    factors of the prequential error).
    """

    def __init__(self, window: int) -> None:
        """Set the number of labels after which one counts 1/e as much; >= 1."""
        self._keep = 1.0 - 1.0 / window
        self.num_right = 0.0
        self.num_labels = 0.0

    def add(self, is_right: bool) -> None:
        """Count one label."""
        self.num_right = self.num_right * self._keep + is_right
        self.num_labels = self.num_labels * self._keep + 1.0
