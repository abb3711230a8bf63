"""ADWIN: a window that shrinks where the mean has changed.

Bifet and Gavaldà, 2007, "Learning from time-changing data with adaptive windowing", SIAM
International Conference on Data Mining. The same arithmetic as `river`'s AdaptiveWindowing, whose
state can't be read and written.
"""

from __future__ import annotations

import math

import msgspec

#: So many buckets of a size; one more, and the two oldest become one of twice the size.
_MAX_BUCKETS = 5
#: Values between checks, and the shortest parts of the window that are compared.
_CLOCK, _SHORTEST_PART, _GRACE = 32, 5, 10


class Adwin(msgspec.Struct):
    """The window of one series: at most 5 buckets of each of the sizes 1, 2, 4, ...

    Made for values in [0, 1]: larger ones make it more sensitive.
    """

    delta: float = 0.002
    """Probability of a false alarm at a check."""
    rows: list[list[tuple[float, float]]] = msgspec.field(default_factory=lambda: [[]])
    """Row i has buckets of 2^i values, the newest last: total, sum of squared deviations."""
    width: int = 0
    total: float = 0.0
    variance: float = 0.0
    """Sum of the squared deviations from the mean."""
    tick: int = 0

    @property
    def mean(self) -> float:
        """The mean of the window; 0 if it is empty."""
        return self.total / self.width if self.width else 0.0

    def update(self, value: float) -> bool:
        """Add a value; return whether the mean has changed, so that old values were dropped."""
        if self.width:
            self.variance += self.width * (value - self.mean) ** 2 / (self.width + 1)
        self.width += 1
        self.total += value
        self.rows[0].append((value, 0.0))
        self._compress()
        self.tick += 1
        if self.tick % _CLOCK or self.width <= _GRACE:
            return False
        has_changed = False
        while self._has_cut():
            has_changed = True
            self._drop_oldest()
        return has_changed

    def _compress(self) -> None:
        for level, row in enumerate(self.rows):
            if len(row) <= _MAX_BUCKETS:
                return
            (total_1, variance_1), (total_2, variance_2) = row[:2]
            del row[:2]
            size = 2**level
            between = size / 2 * ((total_1 - total_2) / size) ** 2
            if level + 1 == len(self.rows):
                self.rows.append([])
            self.rows[level + 1].append((total_1 + total_2, variance_1 + variance_2 + between))

    def _has_cut(self) -> bool:
        """Return whether the window has two parts with different means."""
        num_old, total_old = 0, 0.0
        for level in reversed(range(len(self.rows))):
            for total, _ in self.rows[level]:
                num_old += 2**level
                total_old += total
                num_new = self.width - num_old
                if num_new <= _SHORTEST_PART:
                    return False
                change = total_old / num_old - (self.total - total_old) / num_new
                if num_old > _SHORTEST_PART and abs(change) > self._bound(num_old, num_new):
                    return True
        return False

    def _bound(self, num_old: int, num_new: int) -> float:
        confidence = math.log(2 * math.log(self.width) / self.delta)
        share = 1 / (num_old - _SHORTEST_PART + 1) + 1 / (num_new - _SHORTEST_PART + 1)
        spread = 2 * share * self.variance / self.width * confidence
        return math.sqrt(spread) + 2 / 3 * confidence * share

    def _drop_oldest(self) -> None:
        level = len(self.rows) - 1
        total, variance = self.rows[level].pop(0)
        size = 2**level
        self.width -= size
        self.total -= total
        between = size * self.width * (total / size - self.mean) ** 2 / (size + self.width)
        self.variance = max(self.variance - variance - between, 0.0)
        while len(self.rows) > 1 and not self.rows[-1]:
            self.rows.pop()
