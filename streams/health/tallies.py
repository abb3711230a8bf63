"""Counters, gauges and histograms for the record path: cheaper to update than prometheus_client's.

At live rates a micro-batch has one or two records, so whatever is counted per batch is paid per
record. prometheus_client takes a lock and checks its arguments at each update, and looks for a
histogram's bucket in a Python loop: together a twentieth of a worker's CPU time. Here an update is
an addition or an append; buckets are counted when the metrics are read. In exchange each labelled
value may be changed by one thread only, the event loop's; any thread may read.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

C = TypeVar("C")

#: Observations of a histogram that wait to be counted, at most.
_MAX_WAITING = 4096


class _Labelled(Collector, Generic[C]):
    """The values of one metric, by their labels."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name, self._documentation = name, documentation
        self._labelnames = tuple(labels)
        self._children: dict[tuple[str, ...], C] = {}
        registry.register(self)

    def labels(self, *values: str) -> C:
        """Return the value with these labels; from the first call on it is exported."""
        values = tuple(map(str, values))
        child = self._children.get(values)
        return self._children.setdefault(values, self._make()) if child is None else child

    def _make(self) -> C:
        raise NotImplementedError


class Tally:
    """One number; `inc` and `dec` by one thread."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Add to it."""
        self.value += amount

    def dec(self, amount: int = 1) -> None:
        """Subtract from it."""
        self.value -= amount


class TallyCounter(_Labelled[Tally]):
    """A counter."""

    def _make(self) -> Tally:
        return Tally()

    def collect(self) -> Iterator[Metric]:
        """Yield the counter with its present values."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for values, child in list(self._children.items()):
            family.add_metric(values, child.value)
        yield family


class TallyGauge(_Labelled[Tally]):
    """A gauge."""

    def _make(self) -> Tally:
        return Tally()

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge with its present values."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for values, child in list(self._children.items()):
            family.add_metric(values, child.value)
        yield family


class Observations:
    """What one histogram has observed; `observe` by one thread."""

    __slots__ = ("_bounds", "_counts", "_lock", "_sum", "_waiting")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.asarray(bounds, dtype=np.float64)
        self._counts = np.zeros(len(bounds) + 1, dtype=np.int64)
        self._sum = 0.0
        self._waiting: list[float] = []
        self._lock = threading.Lock()

    def observe(self, value: float) -> None:
        """Observe a value."""
        self._waiting.append(value)
        if len(self._waiting) >= _MAX_WAITING:
            self.count()

    def count(self) -> tuple[list[int], float]:
        """Count what waits.

        Returns:
            The number of values in each bucket, the last above all bounds; and their sum.
        """
        with self._lock:
            # `observe` may append meanwhile: only what is seen here is counted and removed.
            values = self._waiting[:]
            del self._waiting[: len(values)]
            if values:
                buckets = np.searchsorted(self._bounds, values, side="left")
                self._counts += np.bincount(buckets, minlength=len(self._counts))
                self._sum += float(sum(values))
            return self._counts.tolist(), self._sum


class TallyHistogram(_Labelled[Observations]):
    """A histogram."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        """Register the histogram; `bounds` ascend."""
        self._bounds = tuple(map(float, bounds))
        self._edges = [*map(str, self._bounds), "+Inf"]  # as prometheus_client writes them
        super().__init__(name, documentation, labels, registry)

    def _make(self) -> Observations:
        return Observations(self._bounds)

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram with cumulative buckets, as the exposition format requires."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for values, child in list(self._children.items()):
            counts, total = child.count()
            cumulative = list(zip(self._edges, accumulate(counts), strict=True))
            family.add_metric(values, cumulative, total)
        yield family
