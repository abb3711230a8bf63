"""A Prometheus histogram of ages that takes a whole batch of timestamps at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class AgeHistogram(Collector):
    """Like `prometheus_client.Histogram` with one label, observed a batch at a time.

    The client's own observes one value a call, about as dear as all else that a record costs. Here
    the bounds are looked up among the sorted timestamps: few steps, however many records.
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
        self._bounds = [f"{bound:g}" for bound in bounds]
        self._bounds_ms = np.asarray(bounds, dtype=np.float64) * 1000.0
        self._within: dict[str, NDArray[np.int64]] = {}
        """Ages up to each bound, by label value: cumulative, as Prometheus wants them."""
        self._counts: dict[str, int] = {}
        self._sums_ms: dict[str, float] = {}
        self._lock = threading.Lock()
        registry.register(self)

    def observe(self, label_value: str, timestamps_ms: NDArray[np.int64], now_ms: float) -> None:
        """Count the ages of what was stamped at some moments.

        Args:
            label_value: of the one label.
            timestamps_ms: (n,) milliseconds since 1970; one <= 0 stands for none and is left out,
                one to come for an age of 0.
            now_ms: milliseconds since 1970.
        """
        stamps = np.sort(timestamps_ms)
        if len(stamps) and stamps[0] <= 0:
            stamps = stamps[np.searchsorted(stamps, 0, side="right") :]
        if not len(stamps):
            return
        within = len(stamps) - np.searchsorted(stamps, now_ms - self._bounds_ms, side="left")
        if stamps[-1] > now_ms:
            stamps = np.minimum(stamps, now_ms)
        sum_ms = len(stamps) * now_ms - float(stamps.sum())
        with self._lock:
            self._within[label_value] = self._within.get(label_value, 0) + within
            self._counts[label_value] = self._counts.get(label_value, 0) + len(stamps)
            self._sums_ms[label_value] = self._sums_ms.get(label_value, 0.0) + sum_ms

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family, with cumulative buckets as the exposition format asks."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=[self._label])
        with self._lock:
            for label_value, within in self._within.items():
                buckets: list[tuple[str, float]]
                buckets = list(zip(self._bounds, within.tolist(), strict=True))
                buckets.append(("+Inf", self._counts[label_value]))
                family.add_metric([label_value], buckets, self._sums_ms[label_value] / 1000.0)
        yield family
