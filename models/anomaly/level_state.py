"""What `seasonal_likelihood` knows of a channel, and how one reading is judged and learned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.alarm_state import Alarms
from models.anomaly.tail_probability import ExcessTail, NormalTail

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Values beyond this count as this.
LARGEST = 1e30
#: Readings after which the channel's mean and variance forget half.
_HALF_LIFE = 2000
_RATE = 1.0 - 0.5 ** (1 / _HALF_LIFE)
#: Weight of a value in the level and of a residual in the seasonal level: about the last 16 and 8.
_LEVEL_RATE, _RESIDUAL_RATE = 0.043, 0.1
#: Weight of a value in the season's expected value at its time of day.
_SEASON_RATE = 0.4
#: Values to learn before a deviation from the mean is limited, in standard deviations.
_FIRST, _LEARN_REACH = 30, 5.0
#: A single value counts in a level with at most so many standard deviations.
_LEVEL_REACH = 30.0
#: After so many readings in a row outside of the normal range, the spread is no longer learned.
_FAULT = 32
#: So many readings in a row outside of the normal range are a lasting change: learn anew.
LASTING_CHANGE = 1024
#: A value beyond the range seen so far by this share of the range has the surprise 4.
_NOVEL_SHARE, _NOVEL_SURPRISE = 0.005, 4.0
#: Level and season are not independent: their surprises count with this weight when added.
_SUM_WEIGHT = 0.6
_RELATIVE_FLOOR, _ABSOLUTE_FLOOR = 1e-3, 1e-9


class Levels(NamedTuple):
    """The state of n channels, (n,) each."""

    total: Floats
    mean: Floats
    variance: Floats
    level: Floats
    """Exponentially weighted mean of about the last 16 values."""
    low: Floats
    high: Floats
    outside: Floats
    """Readings in a row that were outside of the normal range."""
    residual: Floats
    """Exponentially weighted mean of the last differences from the season."""
    residual_variance: Floats
    num_residuals: Floats
    level_mean: Floats
    level_variance: Floats
    season_quantile: Floats
    season_deviation: Floats
    season_excess: Floats
    season_above: Floats
    peak: Floats
    quiet: Floats
    number: Floats
    is_public: Floats
    recent: Floats
    usual: Floats

    @property
    def alarms(self) -> Alarms:
        """The channels' incidents."""
        return Alarms(*self[-len(Alarms._fields) :])

    @property
    def _level_tail(self) -> NormalTail:
        return NormalTail(self.level_mean, self.level_variance)

    @property
    def _season_tail(self) -> ExcessTail:
        return ExcessTail(
            self.season_quantile, self.season_deviation, self.season_excess, self.season_above
        )

    @property
    def _spread(self) -> Floats:
        floor = _RELATIVE_FLOOR * np.abs(self.mean) + _ABSOLUTE_FLOOR
        spread: Floats = np.sqrt(self.variance) + floor
        return spread


NUM_FIELDS = len(Levels._fields)


class Raw(NamedTuple):
    """The raw scores of one reading of n channels, and the new levels that they come from."""

    level: Floats
    residual: Floats
    level_score: Floats
    """The new level's distance from the mean, in standard deviations."""
    season_score: Floats
    """The same of the season's residual."""
    novelty: Floats
    """How far the value is beyond the range seen so far, as a share of it; <= 0 inside."""


def raw_scores(state: Levels, values: Floats, expected: Floats) -> Raw:
    """Compare values (n,) with the state; `expected` (n,) by the season, NaN if not known."""
    spread = state._spread
    is_first = state.total < 1
    reach = np.where(state.total < _FIRST, np.inf, _LEVEL_REACH * spread)
    near = np.clip(values, state.mean - reach, state.mean + reach)
    level = np.where(is_first, values, state.level + _LEVEL_RATE * (near - state.level))
    step = np.where(np.isnan(expected), 0.0, near - expected)
    residual = state.residual + _RESIDUAL_RATE * (step - state.residual)
    season_spread = np.sqrt(state.residual_variance)
    season_spread += _RELATIVE_FLOOR * np.abs(state.mean) + _ABSOLUTE_FLOOR
    span = state.high - state.low
    span = np.maximum(span, _RELATIVE_FLOOR * np.abs(state.mean) + _ABSOLUTE_FLOOR)
    novelty = np.maximum(values - state.high, state.low - values) / span
    return Raw(
        level,
        residual,
        np.where(is_first, 0.0, np.abs(level - state.mean) / spread),
        np.abs(residual) / season_spread,
        np.where(is_first, 0.0, novelty),
    )


def surprises(state: Levels, raw: Raw) -> Floats:
    """Return -log10 of the tail probability, (n,): the more unusual of range and level."""
    novelty = np.maximum(raw.novelty, 1e-12) / _NOVEL_SHARE
    novel = np.where(novelty > 1, _NOVEL_SURPRISE + np.log10(novelty), 0.0)
    level = state._level_tail.surprise(raw.level_score)
    season = state._season_tail.surprise(raw.season_score)
    season = np.where(state.num_residuals < 2 * _FIRST, 0.0, season)
    both: Floats = np.maximum(novel, _SUM_WEIGHT * (level + season))
    return both


def learn(
    state: Levels, values: Floats, expected: Floats, min_values: int, threshold: float, rest: int
) -> Levels:
    """Return the state after one more value (n,) each."""
    raw = raw_scores(state, values, expected)
    surprise = np.where(state.total < min_values, 0.0, surprises(state, raw))
    alarms = state.alarms.learned(surprise, threshold, rest)
    level_tail = state._level_tail.learned(raw.level_score, state.total)
    # The first residuals have no scale yet.
    num_scaled = np.maximum(state.num_residuals - _FIRST, 0.0)
    season_tail = state._season_tail.learned(raw.season_score, num_scaled)
    total, mean, variance, outside = _moments(state, values)
    low, high = _range(state, values)
    step = np.where(np.isnan(expected), 0.0, values - expected)
    square = np.minimum(step * step, 25 * state.residual_variance + _ABSOLUTE_FLOOR)
    square = np.where(state.num_residuals < _FIRST, state.variance, square)
    rate = np.maximum(0.002, 1.0 / (state.num_residuals + 1.0))
    is_known = ~np.isnan(expected)
    return Levels(
        total,
        mean,
        variance,
        raw.level,
        low,
        high,
        outside,
        raw.residual,
        np.where(
            is_known,
            state.residual_variance + rate * (square - state.residual_variance),
            state.residual_variance,
        ),
        state.num_residuals + is_known,
        *level_tail,
        *(
            np.where(is_known & (state.num_residuals >= _FIRST), new, old)
            for new, old in zip(season_tail, state._season_tail, strict=True)
        ),
        *alarms,  # type: ignore[call-arg]  # mypy can't count unpacked generators
    )


def _moments(state: Levels, values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return total, mean, variance and the count of readings in a row outside the normal range.

    An unusual value moves the mean by a limited step: the channel learns while it is normal. After
    a lasting change the old weights are dropped, so that the new normal is learned quickly.
    """
    reach = np.where(state.total < _FIRST, np.inf, _LEARN_REACH * state._spread)
    deviation = np.where(state.total < 1, 0.0, values - state.mean)
    outside = np.where(np.abs(deviation) > reach, state.outside + 1.0, 0.0)
    is_changed = outside >= LASTING_CHANGE
    total = np.where(is_changed, 0.0, state.total)
    step = np.where(is_changed, 0.0, np.clip(deviation, -reach, reach))
    mean = np.where(total < 1, values, state.mean)
    variance = np.where(is_changed, 0.0, state.variance)
    rate = np.maximum(_RATE, 1.0 / (total + 1.0))
    learned = (1.0 - rate) * (variance + rate * step * step)
    is_fault = (outside > _FAULT) & ~is_changed
    variance = np.where(is_fault, variance, learned)
    return total + 1.0, mean + rate * step, variance, np.where(is_changed, 0.0, outside)


def _range(state: Levels, values: Floats) -> tuple[Floats, Floats]:
    """Return the range seen so far; one absurd value at most triples it."""
    span = state.high - state.low
    reach = np.where(state.total < _FIRST, np.inf, np.maximum(span, _LEARN_REACH * state._spread))
    is_first = state.total < 1
    low = np.where(is_first, values, np.minimum(state.low, np.maximum(values, state.low - reach)))
    high = np.where(
        is_first, values, np.maximum(state.high, np.minimum(values, state.high + reach))
    )
    return low, high


def next_season(expected: Floats, values: Floats) -> Floats:
    """Return the season's new expected values (n,) at the times of these values."""
    moved = expected + _SEASON_RATE * (values - expected)
    return np.where(np.isnan(expected), values, moved)
