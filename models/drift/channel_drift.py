"""What is known of one channel: its scale, its means, and the test for a change."""

from __future__ import annotations

import msgspec
import numpy as np

from models.drift.adwin import Adwin
from models.drift.kswin import Kswin
from models.drift.page_hinkley import PageHinkley

#: Values this many standard deviations from the mean count as that far, so that one absurd value
#: is no change.
_FARTHEST = 5.0
_RECENT_WEIGHT = 1 / 8


class Change(msgspec.Struct, frozen=True):
    """A change that was noticed."""

    noticed_ms: int
    before: float
    after: float
    spread: float


class _TaggedAdwin(Adwin, tag="adwin"):
    pass


class _TaggedPageHinkley(PageHinkley, tag="page_hinkley"):
    pass


class _TaggedKswin(Kswin, tag="kswin"):
    pass


#: The tests by name.
METHODS: dict[str, type[_TaggedAdwin] | type[_TaggedPageHinkley] | type[_TaggedKswin]] = {
    "adwin": _TaggedAdwin,
    "page_hinkley": _TaggedPageHinkley,
    "kswin": _TaggedKswin,
}


class ChannelDrift(msgspec.Struct):
    """One channel since its last change."""

    test: _TaggedAdwin | _TaggedPageHinkley | _TaggedKswin
    num_values: int = 0
    mean: float = 0.0
    """Of the values since the last change, those far away counted as nearer."""
    first: list[float] = []
    """The first values, until there are enough to set the scale."""
    center: float = 0.0
    spread: float = 0.0
    """Median of the first ones and their usual distance from it: standard deviations, > 0."""
    recent: float = 0.0
    """Mean of about the last 8."""
    change: Change | None = None
    """The one before, if this has learned nothing since: what the next answer reports."""

    def learn(
        self, value: float, event_time_ms: int, warm_up: int, min_change: float
    ) -> Change | None:
        """Take a value in; return the change that it shows: then a new channel is to follow.

        Args:
            value: finite.
            event_time_ms: of the reading.
            warm_up: so many values set the scale, >= 2.
            min_change: a smaller change of the mean, in standard deviations, is none.
        """
        self.change = None
        self.num_values += 1
        if self.num_values <= warm_up:
            self.first.append(value)
            if self.num_values == warm_up:
                self._set_scale()
            return None
        position = min(max((value - self.center) / self.spread, -_FARTHEST), _FARTHEST)
        value = self.center + position * self.spread
        self.mean += (value - self.mean) / self.num_values
        self.recent += _RECENT_WEIGHT * (value - self.recent)
        # ADWIN is made for values in a range of length 1.
        scaled = position / (2 * _FARTHEST) if isinstance(self.test, Adwin) else position
        if isinstance(self.test, Kswin):  # it compares ranks: rounding must not be a difference
            scaled = round(position, 2)
        if not self.test.update(scaled):
            return None
        moved = abs(self.recent - self.center) / self.spread
        if isinstance(self.test, Adwin):  # its window begins about where the mean changed
            moved = abs(self.test.mean) * 2 * _FARTHEST
        if moved < min_change and not isinstance(self.test, Kswin):
            return None
        return Change(event_time_ms, self.mean, self.recent, self.spread)

    def _set_scale(self) -> None:
        values = np.array(self.first)
        self.first = []
        self.center = self.mean = self.recent = float(np.median(values))
        distances = np.abs(values - self.center)
        # The median distance is that of a normal distribution's values, 0 where most are equal.
        usual = float(np.median(distances)) / 0.6745 or float(np.sqrt(np.mean(distances**2)))
        # A constant has no spread: 0.1 % of it is then one.
        self.spread = max(usual, 1e-3 * abs(self.center), 1e-9)
