"""Calibration: what a detector's raw scores mean for each key, learned while the key is normal.

Works for the raw scores of any detector and for many keys at once. A key's state is a row of
`NUM_FIELDS` float64: a running normal distribution of log(raw + 0.1), and its incidents.

Only scores below the gate move the distribution, corrected for what the gate cuts off: a fault is
hardly learned. If more than half of the scores are above the gate for long, the key has changed
for good: then all scores are learned again.

Sources: Ahmad et al., 2017, "Unsupervised real-time anomaly detection for streaming data",
Neurocomputing 262 (the likelihood of a score); Johnson, Kotz and Balakrishnan, 1994, "Continuous
Univariate Distributions" 1, section 13.10 (moments of a truncated normal distribution).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr, ndtri

from models.anomaly.alarm_state import Alarms
from models.anomaly.turns import turns

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Added to raw scores before the logarithm.
_OFFSET = 0.1
#: Least variance of the logarithms: raw scores that differ by a few percent are alike.
_LEAST_VARIANCE = 0.002
#: Scores to learn before a key's own distribution counts; until then, only what reaches the
#: threshold by the detector's bound is unusual.
FIRST_SCORES = 60
#: So many more are a fault.
_FAULT = 32
#: Readings from this surprise on are not learned by a detector that learns vectors one by one.
_UNUSUAL = 1.3
#: A prior distribution counts like so many learned scores.
_PRIOR_SCORES = 100
#: Weight of a new score: the distribution forgets half after 4,000 scores.
_RATE = 1.0 - 0.5 ** (1 / 4000)
#: So many more scores above the gate than below it are a lasting change.
LASTING_CHANGE = 1024
#: A raw score counts at most as this when it is learned.
_MOST_LEARNED = 1e3
#: Scores in the upper tenth are not learned: the gate in standard deviations, and by how many the
#: mean of a normal distribution is lower without what is above the gate.
_GATE = float(-ndtri(0.1))
_CUT = float(np.exp(-_GATE * _GATE / 2) / np.sqrt(2 * np.pi) / ndtr(_GATE))
_LN10 = float(np.log(10.0))


class Judged(NamedTuple):
    """What calibration says of n scores, (n,) each."""

    surprise: Floats
    """-log10 of the probability of such a score or a higher one; -1 for what is not scored."""
    reported: Bools
    """Anomalies that are no repeats in their incident."""
    incident: Ints
    """Number of the open incident; 0 without."""


class Tail(NamedTuple):
    """The running distribution of log(raw + 0.1) of n keys, (n,) each."""

    total: Floats
    """Scores learned so far."""
    mean: Floats
    variance: Floats
    above: Floats
    """How many more of the last scores were above the gate than below it; >= 0."""

    def z(self, raw: Floats) -> Floats:
        """Return the distance from the mean in standard deviations, (n,)."""
        z: Floats = (np.log(raw + _OFFSET) - self.mean) / self._spread
        return z

    @property
    def _spread(self) -> Floats:
        return np.sqrt(self.variance + _LEAST_VARIANCE)

    def learned(self, raw: Floats, is_anomaly: Bools) -> Tail:
        """Return the distribution after one more score each.

        Args:
            raw: (n,)
            is_anomaly: (n,) whether the surprise reaches the threshold: the first scores, which
                have no gate yet, are learned without these.
        """
        step = np.log(np.minimum(raw, _MOST_LEARNED) + _OFFSET) - self.mean
        is_known = self.total >= FIRST_SCORES
        is_above = is_anomaly | (is_known & (step > _GATE * self._spread))
        above = np.maximum(self.above + np.where(is_above, 1.0, -1.0), 0.0)
        is_lasting = above >= LASTING_CHANGE
        is_learned = ~is_above | is_lasting
        rate = np.where(is_learned, np.maximum(_RATE, 1.0 / (self.total + 1.0)), 0.0)
        is_gated = is_known & ~is_lasting
        moved = np.where(is_gated, step + _CUT * self._spread, step)
        square = np.where(is_gated, step * step / (1.0 - _GATE * _CUT), step * step)
        return Tail(
            self.total + is_learned,
            self.mean + rate * moved,
            self.variance + rate * (square - self.variance),
            above,
        )


_NUM_TAIL = len(Tail._fields)
NUM_FIELDS = _NUM_TAIL + len(Alarms._fields)


@dataclass(frozen=True)
class Calibration:
    """The rules by which raw scores become surprises and incidents; it holds no state."""

    threshold: float
    """The surprise from which a score is an anomaly."""
    rest: int
    """Readings after a report for which repeats are damped."""
    prior: tuple[float, float] | None = None
    """Mean and variance of log(raw + 0.1) of a usual key, if the detector's scores have a scale
    that is about the same for all keys: where a new key's distribution starts."""

    def judge(self, states: Floats, raw: Floats, bound: Floats) -> Judged:
        """Judge raw scores (n,) >= 0 by the states (n, NUM_FIELDS) of their keys.

        Args:
            states: the states before these scores; not changed.
            raw: higher is more unusual.
            bound: (n,) the largest surprise that the detector gives such a score, of any key: a
                key that hardly varies would make an anomaly of a tiny change.
        """
        surprise = self._surprise(states, raw, bound)
        return judge_surprise(_alarms(states), surprise, self.threshold, self.rest)

    def learn(
        self,
        states: Floats,
        rows: Ints,
        raw: Floats,
        bound: Floats,
        judged: Floats | None = None,
    ) -> None:
        """Learn the scores (n,) of keys in order; changes `states` (all keys, NUM_FIELDS).

        Args:
            states: of all keys.
            rows: (n,) the row of each score's key; a row may occur several times.
            raw: as for `judge`.
            bound: as for `judge`.
            judged: (n,) the surprises that `judge` returned, if nothing was learned since then.
        """
        for turn, at in enumerate(turns(rows) if len(rows) else []):
            old = states[rows[at]]
            if judged is not None and turn == 0:
                surprise = judged[at]
            else:
                surprise = self._surprise(old, raw[at], bound[at])
            alarms = _alarms(old).learned(surprise, self.threshold, self.rest)
            tail = self._tail(old).learned(raw[at], surprise >= self.threshold)
            states[rows[at]] = np.stack([*tail, *alarms], axis=1)

    def _surprise(self, states: Floats, raw: Floats, bound: Floats) -> Floats:
        tail = self._tail(states)
        learned = log_ndtr(-tail.z(raw)) / -_LN10
        first = np.where(bound >= self.threshold, bound, 0.0)
        surprise: Floats = np.where(
            tail.total < FIRST_SCORES, first, np.minimum(np.abs(learned), bound)
        )
        return surprise

    def _tail(self, states: Floats) -> Tail:
        """Return the distributions; those of keys without scores are the prior."""
        tail = Tail(*states[:, :_NUM_TAIL].T)
        if self.prior is None:
            return tail
        is_new = tail.total == 0
        start = (float(_PRIOR_SCORES), *self.prior, 0.0)
        return Tail(*(np.where(is_new, a, b) for a, b in zip(start, tail, strict=True)))


def judge_surprise(alarms: Alarms, surprise: Floats, threshold: float, rest: int) -> Judged:
    """Judge surprises (n,) by the incidents of their keys before them."""
    reported, numbers = alarms.judged(surprise, threshold, rest)
    return Judged(surprise, reported, numbers.astype(np.int64))


def is_normal(states: Floats) -> Bools:
    """Return which keys (n,) are not in a fault: a detector may learn their readings.

    A fault begins when 32 more scores are above the gate than below it, and ends when as many are
    below it again, or when it lasts so long that it is a change.
    """
    above = states[:, Tail._fields.index("above")]
    normal: Bools = (above < _FAULT) | (above >= LASTING_CHANGE)
    return normal


def are_learnable(states: Floats, surprise: Floats) -> Bools:
    """Return which readings (n,) a detector may learn, by their own surprises (n,).

    Those with a probability of at most 0.05 are not learned, except among the first scores of a
    key and after a lasting change.
    """
    tail = Tail(*states[:, :_NUM_TAIL].T)
    is_exempt = (tail.total < FIRST_SCORES) | (tail.above >= LASTING_CHANGE)
    learnable: Bools = is_exempt | (surprise < _UNUSUAL)
    return learnable


def are_valid(states: Floats) -> bool:
    """Return whether states (n, NUM_FIELDS) of a snapshot can be used."""
    variances = states[:, Tail._fields.index("variance")]
    return bool(np.isfinite(states).all() and (variances >= 0).all())


def _alarms(states: Floats) -> Alarms:
    return Alarms(*states[:, _NUM_TAIL:].T)
