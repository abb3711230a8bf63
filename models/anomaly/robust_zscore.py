"""Robust z-score: how far a value is from the recent median of its channel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from models.anomaly.calibration import Calibration
from models.anomaly.channel_index import ChannelIndex, Located
from models.anomaly.results import channel_results, no_judgments, score_of_surprise
from models.anomaly.slots import NO_SLOT
from models.anomaly.zscore_state import ZScoreState
from models.base import OnlineModel
from models.options import check_option
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The largest z: beyond it, a value is not more unusual.
_LARGEST_Z = 1e300
#: Mean and variance of log(z + 0.1) of a usual channel: a normal series has -0.42 and 0.67. It is
#: also the bound of the surprise: z = 12 has 3.8.
_PRIOR = (-0.4, 0.6)


class RobustZScore(ZScoreState):
    """For each (source_id, channel), z = |x - median| / spread over the last `window` values.

    The spread is the geometric mean of two robust estimates, of the core and of the tail (see
    `Windows.medians_and_spreads`), and at least 0.1 % of the median. A running distribution of the
    channel's own z (`models/anomaly/calibration.py`) turns z into a surprise s = -log10 of its tail
    probability, which is at most that of a usual channel; the score is s / (s + 4). A reading has
    the score of its most unusual channel, which the result names, with the median as the expected
    value. Repeats within an incident are damped. Channels may come and go; a channel with fewer
    than `min_values` learned values scores 0, and a reading that has no other is not scored.

    Memory: 8 bytes for each learned value, up to `window` values, and 136 bytes for each of
    `max_keys` channels (136 MB with the defaults). Further channels are not scored until one of
    these has stayed away (`models/anomaly/slots.py`); both are counted. A channel's median and
    spread are computed again whenever 1/64 of its values is new. Nothing is random.

    Source: Iglewicz and Hoaglin, 1993, "How to Detect and Handle Outliers", ASQC 16.
    """

    name, version = "robust_zscore", "4"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        window: int = 1024,
        min_values: int = 32,
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 16_384,
        learn_every: int = 16,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            window: values of each channel, 3 to 65536.
            min_values: values to learn before a channel is scored, 3 to `window`.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: channels remembered over all sources, >= 1.
            learn_every: offsets in a learning step, >= 1.
        """
        self.window = check_option("window", window, 3, 65_536)
        self.min_values = check_option("min_values", min_values, 3, window)
        surprise = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(surprise)))
        self.rest = check_option("rest", rest, 0, 1_000_000)
        self._calibration = Calibration(surprise, self.rest, _PRIOR)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self.max_keys = check_option("max_keys", max_keys, 1)
        self._start()

    def warm_up(self) -> None:
        """Score and learn with another instance: NumPy imports some modules on first use."""
        other, batch = RobustZScore(), [SensorReading.example()]
        other.learn_batch(batch)
        other.predict_batch(batch)

    def join(self, other: OnlineModel[SensorReading, AnomalyScore]) -> None:
        """Keep the channels in the store of another instance with the same options.

        Meant for an instance that has learned nothing yet; answers and snapshots do not change.
        """
        assert isinstance(other, RobustZScore)
        self._store = other._store
        self._index = ChannelIndex(self._index.slots, self._store)

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by what was learned before; changes nothing.

        Args:
            batch: B readings with finite values.

        Returns:
            B results in input order, of the channel with the largest surprise. `probability` is
            that of the channel, not damped; `expected` is its median.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[RobustZScore], batches: Sequence[Sequence[SensorReading]]
    ) -> list[list[AnomalyScore]]:
        """Score the readings of several joined models at once, each by its own channels.

        Args:
            models: M of this one's store, with the same options.
            batches: M batches as for `predict_batch`; may be empty.

        Returns:
            M lists of results.
        """
        located = [m._index.locate(batch) for m, batch in zip(models, batches, strict=True)]
        readings = list(chain.from_iterable(batches))
        rows = np.concatenate([each.rows for each in located])
        values, scored = _values(readings), self._scored(rows)
        judged, medians = no_judgments(len(rows)), np.zeros(len(rows))
        z, bounds = np.zeros(len(rows)), np.zeros(len(rows))
        if len(scored):
            at = rows[scored]
            z[scored] = self._z(at, values[scored])
            bounds[scored] = _bound(z[scored])
            states = self._store.states[at]
            parts = self._calibration.judge(states, z[scored], bounds[scored])
            for whole, part in zip(judged, parts, strict=True):
                whole[scored] = part
            medians[scored] = self._store.medians[at]
        self._remember(models, batches, located, (values, z, bounds, judged.surprise))
        results = iter(channel_results(readings, judged, medians, self.threshold))
        return [list(islice(results, len(batch))) for batch in batches]

    @staticmethod
    def _remember(
        models: Sequence[RobustZScore],
        batches: Sequence[Sequence[SensorReading]],
        located: Sequence[Located],
        columns: Sequence[Floats],
    ) -> None:
        """Keep what was computed of each model's channels until it learns from the readings."""
        first = 0
        for model, batch, own in zip(models, batches, located, strict=True):
            part = slice(first, first + len(own.rows))
            model._memo.remember(batch, *own, *(column[part] for column in columns))
            first = part.stop

    def _scored(self, rows: Ints) -> Ints:
        """Return the positions in `rows` (n,) of the channels that have learned enough."""
        known = np.flatnonzero(rows != NO_SLOT)
        return known[self._store.windows.totals[rows[known]] >= self.min_values]

    def _z(self, rows: Ints, values: Floats) -> Floats:
        with np.errstate(over="ignore"):  # 1e300 over a tiny spread
            z = np.abs(values - self._store.medians[rows]) / self._store.spreads[rows]
        return np.minimum(z, _LARGEST_Z)

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Learn the readings' z, then append them to the windows of their channels."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[RobustZScore], batches: Sequence[Sequence[SensorReading]]
    ) -> None:
        """Let several joined models learn at once, each from its own readings.

        Args:
            models: M distinct ones of this one's store, with the same options.
            batches: M batches as for `learn_batch`; may be empty.
        """
        memos = [model._memo.take(batch) for model, batch in zip(models, batches, strict=True)]
        if all(columns is not None and (columns[0] != NO_SLOT).all() for columns in memos):
            self._learn_answered(models, batches, [columns or [] for columns in memos])
            return
        values = _values(list(chain.from_iterable(batches)))
        rows = np.concatenate(
            [
                m._index.claim_located(batch, None if own is None else Located(own[0], own[1]))
                for m, batch, own in zip(models, batches, memos, strict=True)
            ]
        )
        scored = self._scored(rows)
        if len(scored):
            z = self._z(rows[scored], values[scored])
            self._calibration.learn(self._store.states, rows[scored], z, _bound(z))
        known = rows != NO_SLOT
        if known.any():
            self._store.append(rows[known], values[known])

    def _learn_answered(
        self,
        models: Sequence[RobustZScore],
        batches: Sequence[Sequence[SensorReading]],
        memos: Sequence[Sequence[NDArray[Any]]],
    ) -> None:
        """Learn from readings whose channels are all known, by what was computed to answer them."""
        for model, batch, (slots, rows, *_) in zip(models, batches, memos, strict=True):
            model._index.claim_located(batch, Located(slots, rows))
        columns = [np.concatenate(parts) for parts in zip(*memos, strict=True)]
        _, rows, values, z, bounds, surprise = columns
        scored = np.flatnonzero(surprise >= 0)
        if len(scored):
            self._calibration.learn(
                self._store.states, rows[scored], z[scored], bounds[scored], surprise[scored]
            )
        if len(rows):
            self._store.append(rows, values)


def _bound(z: Floats) -> Floats:
    """Return the largest surprise (n,) of z (n,) for any channel."""
    mean, variance = _PRIOR
    normal = (np.log(z + 0.1) - mean) / np.sqrt(variance)
    surprise: Floats = np.abs(log_ndtr(-normal)) / np.log(10.0)
    return surprise


def _values(readings: Sequence[SensorReading]) -> Floats:
    """Return the values (n,) of all channels, reading by reading."""
    mappings = [reading.values for reading in readings]
    return np.array(list(chain.from_iterable(map(dict.values, mappings))), np.float64)
