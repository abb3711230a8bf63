"""One source of `isolation_forest`: its window, its forest, and the forest that is being fitted."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.isolation_trees import IsolationTrees, fit_trees, longest_path, mean_path
from models.feature_rows import feature_rows
from schemas import SensorReading

Floats = NDArray[np.float64]

#: Values beyond this count as this: the trees compare in float32.
LARGEST = 1e30

#: Least width of a channel's range: as a share of the median, and in the channel's unit.
_RELATIVE_FLOOR, _ABSOLUTE_FLOOR = 1e-3, 1e-9

#: One thread for all fits of a process: they are rare, and must not crowd out the answers.
_BACKGROUND = ThreadPoolExecutor(max_workers=1, thread_name_prefix="isolation-forest")


class Plan(NamedTuple):
    """The options that a source's state depends on."""

    trees: int
    max_samples: int
    window: int
    min_values: int
    refit_every: int
    delay: int
    max_channels: int
    seed: int


class Forest(NamedTuple):
    """A fitted forest and the features that it was fitted on."""

    channels: list[str]
    medians: Floats
    """(channels,) in place of a channel that a reading lacks."""
    low: Floats
    """(channels,) the least values that it was fitted on."""
    high: Floats
    """(channels,)"""
    trees: IsolationTrees
    num_samples: int
    """Training points of each tree."""

    def scores(self, readings: Sequence[SensorReading]) -> Floats:
        """Return the anomaly scores (n,) in (0, 1] of readings.

        To the trees, a value far out of the range is like the largest within. So a score s becomes
        1 - (1 - s) / (1 + e): the value is e times the width of its channel's range out of it.
        """
        points = self._points(readings)
        scores = self.trees.scores(points, self.num_samples, longest_path(self.num_samples))
        raised: Floats = 1.0 - (1.0 - scores) / (1.0 + self._excess(points).max(axis=1))
        return raised

    def contributions(self, readings: Sequence[SensorReading], mean_paths: Floats) -> Floats:
        """Return how much each channel adds to the scores of readings, (n, channels) >= 0.

        That is what its splits take off the usual path, as a share of the mean one, and
        log2(1 + e) if its value is e widths out of the range.

        Args:
            readings: n
            mean_paths: of the trees.
        """
        points, depth = self._points(readings), longest_path(self.num_samples)
        shorter = self.trees.credits(points, mean_paths, depth)
        unit = float(mean_path(np.array([self.num_samples]))[0])
        parts: Floats = np.maximum(shorter / unit, 0.0) + np.log2(1.0 + self._excess(points))
        return parts

    def _points(self, readings: Sequence[SensorReading]) -> Floats:
        points = _rows(readings, self.channels)
        return np.where(np.isnan(points), self.medians, points)

    def _excess(self, points: Floats) -> Floats:
        """Return how many widths of its channel's range a value is out of it, (n, channels)."""
        floor = np.maximum(_RELATIVE_FLOOR * np.abs(self.medians), _ABSOLUTE_FLOOR)
        outside = np.maximum(np.maximum(points - self.high, self.low - points), 0.0)
        excess: Floats = outside / np.maximum(self.high - self.low, floor)
        return excess


class Fit(NamedTuple):
    """A fit in the background."""

    due: int
    """The total from which it is used, whether or not it was ready earlier."""
    channels: list[str]
    rows: Floats
    """(n, channels) the window as it was; NaN where a reading lacked the channel."""
    future: Future[Forest]


class ForestSource:
    """The window of a source's last readings and the forests made of it.

    A fit starts at a total of learned readings and is used from `delay` readings later on: so the
    answers do not depend on how fast it was.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.channels: list[str] = []
        self.rows: Floats = np.zeros((0, 0))
        """(held, channels) oldest first; NaN where a reading lacked the channel."""
        self.total = 0
        """Readings learned so far."""
        self.next_fit = plan.min_values
        self.forest: Forest | None = None
        self.pending: Fit | None = None
        self._mean_paths: tuple[IsolationTrees, Floats] | None = None
        """Of the trees for which they were needed last."""

    def explain(self, readings: Sequence[SensorReading]) -> tuple[Floats, list[str]]:
        """Return what channels add to the scores of readings (n, channels), and their names."""
        forest = self.forest
        assert forest is not None
        if len(forest.channels) == 1:
            return np.ones((len(readings), 1)), forest.channels
        if self._mean_paths is None or self._mean_paths[0] is not forest.trees:
            samples = forest.num_samples
            self._mean_paths = forest.trees, forest.trees.mean_paths(samples, longest_path(samples))
        return forest.contributions(readings, self._mean_paths[1]), forest.channels

    def learn(self, readings: Sequence[SensorReading]) -> None:
        """Append readings to the window; start and use the fits that are due."""
        self._add_channels(readings)
        if self.channels:
            self.rows = np.concatenate([self.rows, _rows(readings, self.channels)])
            self.rows = self.rows[-self.plan.window :]
        self.total += len(readings)
        if self.pending is not None and self.total >= self.pending.due:
            self.forest, self.pending = self.pending.future.result(), None
        if self.pending is None and self.total >= self.next_fit and self.channels:
            self.start_fit(self.total + self.plan.delay, self.channels, self.rows)
            self.next_fit = self.total + self.plan.refit_every

    def _add_channels(self, readings: Sequence[SensorReading]) -> None:
        names = {name for reading in readings for name in reading.values}
        room = self.plan.max_channels - len(self.channels)
        new = sorted(names - set(self.channels))[: max(room, 0)]
        if new:
            self.channels = [*self.channels, *new]
            absent = np.full((len(self.rows), len(new)), np.nan)
            self.rows = np.concatenate([self.rows, absent], axis=1)

    def start_fit(self, due: int, channels: list[str], rows: Floats) -> None:
        """Start a fit in the background that is used from the total `due` on."""
        rows = rows.copy()
        future = _BACKGROUND.submit(_fit, self.plan, channels, rows)
        self.pending = Fit(due, channels, rows, future)


def _fit(plan: Plan, channels: list[str], rows: Floats) -> Forest:
    """Fit a forest on rows (n, channels); channels that no row has are left out."""
    is_used = np.asarray(~np.isnan(rows).all(axis=0))
    rows = rows[:, is_used]
    medians = np.nanmedian(rows, axis=0)
    points = np.where(np.isnan(rows), medians, rows)
    trees = fit_trees(points, plan.trees, plan.max_samples, plan.seed)
    names = [name for name, used in zip(channels, is_used.tolist(), strict=True) if used]
    low, high = points.min(axis=0), points.max(axis=0)
    return Forest(names, medians, low, high, trees, min(plan.max_samples, len(points)))


def _rows(readings: Sequence[SensorReading], channels: Sequence[str]) -> Floats:
    values = feature_rows([reading.values for reading in readings], channels)
    return np.clip(values, -LARGEST, LARGEST)
