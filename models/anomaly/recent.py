"""The recent readings of one source as features, scaled for the trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.anomaly.windows import LARGEST
from models.feature_rows import feature_rows
from schemas import SensorReading

Floats = NDArray[np.float64]

#: Features of one channel: its value, and the value less the trend.
PER_CHANNEL = 2
#: Weight of a new value in the trend (an exponentially decayed mean).
TREND_RATE = 0.1
#: The trees' box extends beyond the 5-95 % range by this many times that range, but not beyond the
#: extremes: otherwise one absurd value would put all others into one cell.
_REACH = 3.0
#: Least width of a feature's box: as a share of the median, and in the feature's unit.
_RELATIVE_FLOOR, _ABSOLUTE_FLOOR = 1e-3, 1e-9


class Recent:
    """The last `window` readings of one source and their deviations from the trend.

    The trend is that of the readings learned before the step, so that a feature does not depend
    on the position of its reading in a micro-batch. Once there is a box, its width limits how far
    one value moves the trend: an absurd value does harm for about ten readings, or until the
    second box if it comes before the first.
    """

    def __init__(self, window: int, max_channels: int) -> None:
        self.max_channels = max_channels
        self.channels: list[str] = []
        self.rows: Floats = np.full((window, 0, PER_CHANNEL), np.nan)
        """(window, channels, 2) a ring buffer; NaN where a reading lacked the channel."""
        self.trend: Floats = np.zeros(0)
        """(channels,)"""
        self.total = 0
        """Readings learned so far."""
        self.box: Floats = np.zeros((3, 0, PER_CHANNEL))
        """(3, channels of the reference, 2): the box's lower ends and widths, and the medians."""
        self.reference_size = 0
        """Readings in the reference; 0 before the first."""
        self.next_reference = 0
        """The `total` at which the next reference is made."""
        self.referenced_at = 0
        """The `total` at which the last reference was made; 0 after a restore."""
        self.reshaped_at = 0
        """The least `total` after `rows` got or lost channels; 0 after a restore."""
        self.usual: Floats | None = None
        """(channels,) the usual credits of the reference, once needed: its counts give them."""

    @property
    def reference_channels(self) -> tuple[str, ...]:
        """The channels that the reference has: the first ones."""
        return tuple(self.channels[: self.box.shape[1]])

    def append(self, features: Floats) -> None:
        """Append the features (n, channels, 2) of n readings, in order."""
        count, size = len(features), len(self.rows)
        first = self.total % size
        if first + count <= size:
            self.rows[first : first + count] = features
        else:
            kept = np.arange(max(0, count - size), count)
            self.rows[(self.total + kept) % size] = features[kept]
        self.total += count

    def latest(self, count: int) -> Floats:
        """Return the features (count, channels, 2) of the last readings, oldest first."""
        return self.rows[np.arange(self.total - count, self.total) % len(self.rows)]

    def add_channels_of(self, readings: Sequence[SensorReading]) -> None:
        """Add the channels of readings that are new, up to the limit."""
        known = set(self.channels)
        for reading in readings:
            if not reading.values.keys() <= known:
                self._add_channels_of(reading)
                known = set(self.channels)

    def _add_channels_of(self, reading: SensorReading) -> None:
        room = self.max_channels - len(self.channels)
        new = sorted(set(reading.values) - set(self.channels))[: max(room, 0)]
        self.channels += new
        if new:
            self.reshaped_at = self.total + 1
        first = np.clip([reading.values[name] for name in new], -LARGEST, LARGEST)
        self.trend = np.append(self.trend, first)
        absent = np.full((len(self.rows), len(new), PER_CHANNEL), np.nan)
        self.rows = np.concatenate([self.rows, absent], axis=1)

    def make_reference(self) -> Floats:
        """Compute the box from the readings held and return them as points (n, features).

        Channels that none of the readings has are dropped. Without channels there is no reference.
        """
        held = min(self.total, len(self.rows))
        self.referenced_at, self.usual = self.total, None
        is_used = np.asarray(~np.isnan(self.rows[:held, :, 0]).all(axis=0))
        self.channels = [
            name for name, used in zip(self.channels, is_used.tolist(), strict=True) if used
        ]
        if not is_used.all():
            self.rows, self.trend = self.rows[:, is_used], self.trend[is_used]
            self.reshaped_at = self.total
        self.box = np.stack(_box(self.rows[:held]))
        low, span, _ = self.box
        self.trend = np.clip(self.trend, low[:, 0], low[:, 0] + span[:, 0])
        self.reference_size = held if self.channels else 0
        self.next_reference = self.total + held
        return _scaled(self.rows[:held], *self.box)


def points_of(
    sources: Sequence[Recent], owners: NDArray[np.int64], readings: Sequence[SensorReading]
) -> Floats:
    """Scale readings to points (n, features); those of their source's reference are in [0, 1].

    Args:
        sources: with the same `reference_channels`.
        owners: (n,) the number of each reading's source.
        readings: n
    """
    channels = sources[0].reference_channels
    values, count = _values(readings, channels), len(channels)
    trends = np.concatenate([source.trend[:count] for source in sources]).reshape(-1, count)
    boxes = np.concatenate([source.box for source in sources])
    boxes = boxes.reshape(len(sources), *sources[0].box.shape)[owners]
    features = np.stack([values, values - trends[owners]], axis=2)
    return _scaled(features, boxes[:, 0], boxes[:, 1], boxes[:, 2])


def _scaled(features: Floats, low: Floats, span: Floats, fill: Floats) -> Floats:
    """Return features (n, channels, 2) as points (n, features): scaled to boxes."""
    filled = np.where(np.isnan(features), fill, features)
    with np.errstate(over="ignore"):  # infinity is outside of the box too
        scaled: Floats = (filled - low) / span
    return scaled.reshape(len(features), -1)


def learn_steps(steps: Sequence[tuple[Recent, Sequence[SensorReading]]]) -> None:
    """Add the readings of a step to each of some distinct sources, in order.

    Sources with the same channels take one step together. Each learns what it would learn alone.
    """
    groups: dict[tuple[str, ...], list[tuple[Recent, Sequence[SensorReading]]]] = defaultdict(list)
    for source, readings in steps:
        source.add_channels_of(readings)
        groups[tuple(source.channels)].append((source, readings))
    for channels, group in groups.items():
        lengths = np.array([len(readings) for _, readings in group])
        values = _values([reading for _, readings in group for reading in readings], channels)
        _learn_values([source for source, _ in group], values, lengths)


def _learn_values(sources: Sequence[Recent], values: Floats, lengths: NDArray[np.int64]) -> None:
    """Learn values (sum of lengths, channels): of the first source, then of the next ..."""
    owners, starts = np.repeat(np.arange(len(sources)), lengths), np.cumsum(lengths) - lengths
    trends = np.concatenate([source.trend for source in sources]).reshape(len(sources), -1)
    features = np.stack([values, values - trends[owners]], axis=2)
    for source, start, length in zip(sources, starts.tolist(), lengths.tolist(), strict=True):
        source.append(features[start : start + length])
    farthest = _farthest(sources, trends.shape)
    for turn in range(int(lengths.max())):  # the trend follows one reading after another
        moving = np.flatnonzero(lengths > turn)
        deviation = values[starts[moving] + turn] - trends[moving]
        deviation = np.clip(deviation, -farthest[moving], farthest[moving])
        trends[moving] += TREND_RATE * np.where(np.isnan(deviation), 0.0, deviation)
    for source, trend in zip(sources, trends, strict=True):
        source.trend[:] = trend


def _farthest(sources: Sequence[Recent], shape: tuple[int, ...]) -> Floats:
    """Return how far one value may be from the trend and still count in full, `shape`.

    That is (sources, channels). Before a source's first reference there is no limit.
    """
    farthest = np.full(shape, np.inf)
    counts = np.array([source.box.shape[1] for source in sources])
    for count in np.unique(counts[counts > 0]).tolist():
        at = np.flatnonzero(counts == count)
        boxes = np.concatenate([sources[i].box for i in at.tolist()])
        spans = boxes.reshape(len(at), 3, count, PER_CHANNEL)[:, 1, :, 0]
        farthest[at, :count] = _REACH * spans
    return farthest


def _values(readings: Sequence[SensorReading], channels: Sequence[str]) -> Floats:
    """Return the values (n, channels), NaN where a reading lacks the channel."""
    values = feature_rows([reading.values for reading in readings], channels)
    return np.clip(values, -LARGEST, LARGEST)


def _box(features: Floats) -> tuple[Floats, Floats, Floats]:
    """Return lower ends, widths and medians (channels, 2) of (n, channels, 2), ignoring NaN."""
    if features.shape[1] == 0:
        return features[0], features[0], features[0]
    # Both give the same; the one that looks for NaN takes several times as long.
    quantile = np.nanquantile if np.isnan(features).any() else np.quantile
    least, low, middle, high, most = quantile(features, [0, 0.05, 0.5, 0.95, 1], axis=0)
    reach = np.where(high > low, _REACH * (high - low), most - least)
    bottom, top = np.maximum(least, low - reach), np.minimum(most, high + reach)
    floor = np.maximum(_RELATIVE_FLOOR * np.abs(middle), _ABSOLUTE_FLOOR)
    return bottom, np.maximum(top - bottom, floor), middle
