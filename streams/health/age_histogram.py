"""A Prometheus histogram of ages, observed a batch of timestamps at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

#: Ages are counted when this many records, or batches, have been observed.
_MAX_RECORDS, _MAX_BATCHES = 16_384, 256


class AgeHistogram(Collector):
    """Like `prometheus_client.Histogram` with one label, observed a batch at a time.

    The client's histogram observes one value per call, which costs about as much as all other work
    per record. Counting each batch at once is still slow, since other work has replaced the
    processor's cache meanwhile. So ages are counted many batches at a time, or when collected.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
        *,
        within_budget: str = "",
    ) -> None:
        """Register the histogram.

        Args:
            name: of the histogram.
            documentation: its help text.
            label: its only label.
            bounds: ages in seconds, ascending.
            registry: where it is exported.
            within_budget: name of a counter of the ages within each label value's budget; "": there
                is none.
        """
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = tuple(bounds)
        self._within_budget = within_budget
        self._budgets: dict[str, float] = {}
        self._ages: dict[str, _Ages] = {}
        self._lock = threading.Lock()
        registry.register(self)

    def set_budget(self, label_value: str, seconds: float) -> None:
        """Make an age a bucket edge of one label value, and count the ages up to it."""
        with self._lock:
            if self._budgets.get(label_value) != seconds:
                self._budgets[label_value] = seconds
                self._ages[label_value] = _Ages(sorted({*self._bounds, seconds}))

    def observe(
        self, label_value: str, timestamps_ms: Sequence[int] | NDArray[np.int64], now_ms: float
    ) -> None:
        """Observe the ages of timestamps.

        Args:
            label_value: the value of the label.
            timestamps_ms: n of them, milliseconds since 1970; an array is kept, so the caller must
                not change it. A value <= 0 means no timestamp and is skipped; a future one has age
                0.
            now_ms: milliseconds since 1970.
        """
        with self._lock:
            ages = self._ages.get(label_value)
            if ages is None:
                ages = self._ages[label_value] = _Ages(self._bounds)
            if isinstance(timestamps_ms, np.ndarray):
                ages.add(timestamps_ms, now_ms)
            else:
                ages.add_few(timestamps_ms, now_ms)

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram with cumulative buckets, and the counter of the ages in budget."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        within = CounterMetricFamily(
            self._within_budget or "unused",
            "Records answered within event_age_budget_seconds, or without a timestamp.",
            labels=[self._label],
        )
        with self._lock:
            for label_value, ages in self._ages.items():
                ages.count()
                cumulative = np.cumsum(ages.counts).tolist()
                edges = [*(f"{bound:g}" for bound in ages.bounds), "+Inf"]
                buckets: list[tuple[str, float]] = list(zip(edges, cumulative, strict=True))
                family.add_metric([label_value], buckets, ages.sum_ms / 1000.0)
                if (budget := self._budgets.get(label_value)) is not None:
                    good = cumulative[ages.bounds.index(budget)] + ages.num_untimed
                    within.add_metric([label_value], good)
        yield family
        if self._within_budget:
            yield within


class _Ages:
    """The ages of one label value."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = list(bounds)
        self.counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        """Ages per bucket."""
        self.sum_ms = 0.0
        self.num_untimed = 0
        """Records without a timestamp: they have no age."""
        self._bounds_ms = np.asarray(bounds, dtype=np.float64) * 1000.0
        self._stamps: list[NDArray[np.int64]] = []
        self._nows: list[float] = []
        self._num_waiting = 0
        self._few: list[float] = []
        """Ages of batches so small that arrays of them would cost more, milliseconds."""

    def add_few(self, timestamps_ms: Sequence[int], now_ms: float) -> None:
        for sent_ms in timestamps_ms:
            if sent_ms > 0:
                self._few.append(max(now_ms - sent_ms, 0.0))
            else:
                self.num_untimed += 1
        if len(self._few) >= _MAX_RECORDS:
            self.count()

    def add(self, timestamps_ms: NDArray[np.int64], now_ms: float) -> None:
        self._stamps.append(timestamps_ms)
        self._nows.append(now_ms)
        self._num_waiting += len(timestamps_ms)
        if self._num_waiting >= _MAX_RECORDS or len(self._nows) >= _MAX_BATCHES:
            self.count()

    def count(self) -> None:
        """Sort the observed ages into the buckets."""
        if self._few:
            self._sort(np.asarray(self._few))
            self._few = []
        if not self._nows:
            return
        all_stamps = np.concatenate(self._stamps)
        ages = np.repeat(self._nows, [len(stamps) for stamps in self._stamps]) - all_stamps
        has_time = all_stamps > 0
        self.num_untimed += len(has_time) - int(np.count_nonzero(has_time))
        self._sort(np.maximum(ages[has_time], 0.0))
        self._stamps, self._nows, self._num_waiting = [], [], 0

    def _sort(self, ages_ms: NDArray[np.float64]) -> None:
        buckets = np.searchsorted(self._bounds_ms, ages_ms, side="left")
        self.counts += np.bincount(buckets, minlength=len(self.counts))
        self.sum_ms += float(ages_ms.sum())
