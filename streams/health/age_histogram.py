"""A Prometheus histogram of ages that takes a whole batch of timestamps at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

#: Ages that wait to be counted, at most: of so many records, or of so many batches.
_MOST_RECORDS, _MOST_BATCHES = 16_384, 256


class AgeHistogram(Collector):
    """Like `prometheus_client.Histogram` with one label, observed a batch at a time.

    The client's own observes one value a call, about as dear as all else that a record costs. And
    a batch at a time is still dear where other work has meanwhile taken the processor's cache, so
    ages are counted many batches at a time, or when somebody looks.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        """Register the family; `bounds` are ages in seconds, ascending."""
        self._name = name
        self._documentation = documentation
        self._label = label
        self._bounds = [*(f"{bound:g}" for bound in bounds), "+Inf"]
        self._bounds_ms = np.asarray(bounds, dtype=np.float64) * 1000.0
        self._ages: dict[str, _Ages] = {}
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, label_value: str, timestamps_ms: NDArray[np.int64], now_ms: float) -> None:
        """Count the ages of what was stamped at some moments.

        Args:
            label_value: of the one label.
            timestamps_ms: (n,) milliseconds since 1970, not to be changed any more; one <= 0 stands
                for none and is left out, one to come for an age of 0.
            now_ms: milliseconds since 1970.
        """
        with self._lock:
            ages = self._ages.get(label_value)
            if ages is None:
                ages = self._ages[label_value] = _Ages(self._bounds_ms)
            ages.add(timestamps_ms, now_ms)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family, with cumulative buckets as the exposition format asks."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        with self._lock:
            for label_value, ages in self._ages.items():
                ages.count()
                within = np.cumsum(ages.counts).tolist()
                buckets: list[tuple[str, float]] = list(zip(self._bounds, within, strict=True))
                family.add_metric([label_value], buckets, ages.sum_ms / 1000.0)
        yield family


class _Ages:
    """Those of one label value."""

    def __init__(self, bounds_ms: NDArray[np.float64]) -> None:
        self.counts = np.zeros(len(bounds_ms) + 1, dtype=np.int64)
        """By bucket."""
        self.sum_ms = 0.0
        self._bounds_ms = bounds_ms
        self._stamps: list[NDArray[np.int64]] = []
        self._nows: list[float] = []
        self._num_waiting = 0

    def add(self, timestamps_ms: NDArray[np.int64], now_ms: float) -> None:
        self._stamps.append(timestamps_ms)
        self._nows.append(now_ms)
        self._num_waiting += len(timestamps_ms)
        if self._num_waiting >= _MOST_RECORDS or len(self._nows) >= _MOST_BATCHES:
            self.count()

    def count(self) -> None:
        """Put what waits into the buckets."""
        if not self._nows:
            return
        stamps = np.concatenate(self._stamps)
        ages = np.repeat(self._nows, [len(own) for own in self._stamps]) - stamps
        ages = np.maximum(ages[stamps > 0], 0.0)
        buckets = np.searchsorted(self._bounds_ms, ages, side="left")
        self.counts += np.bincount(buckets, minlength=len(self.counts))
        self.sum_ms += float(ages.sum())
        self._stamps, self._nows, self._num_waiting = [], [], 0
