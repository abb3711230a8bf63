"""One look at a worker's `/metrics`, as Prometheus takes it."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

#: The engine's metrics have a thread of their own, but not a core.
_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Histogram:
    """A Prometheus histogram at one moment, or what came to it between two."""

    bounds: tuple[float, ...] = ()
    """Upper bounds, ascending, the last one infinite."""
    cumulative: tuple[float, ...] = ()
    total: float = 0.0
    """The sum of what was observed."""

    @property
    def mean(self) -> float | None:
        """Of the observations; None: there are none."""
        count = self.cumulative[-1] if self.cumulative else 0.0
        return self.total / count if count else None

    def since(self, earlier: Histogram) -> Histogram:
        """Return what came since an earlier look."""
        if earlier.bounds != self.bounds:
            return self
        counts = zip(self.cumulative, earlier.cumulative, strict=True)
        return Histogram(
            self.bounds, tuple(now - then for now, then in counts), self.total - earlier.total
        )


@dataclass(frozen=True)
class Scrape:
    """Every sample of a worker, and when it was taken."""

    samples: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    seconds: float = 0.0
    """On this machine's monotonic clock."""

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels; 0: there are none."""
        return sum(value for _, value in self._matching(name, labels))

    def by_label(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return a metric's samples that have these labels, by the value of another label."""
        found: dict[str, float] = {}
        for own, value in self._matching(name, labels):
            found[own[label]] = found.get(own[label], 0.0) + value
        return found

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Return one histogram; empty if nothing has been observed yet."""
        buckets = sorted(
            (float(own["le"]), value) for own, value in self._matching(f"{name}_bucket", labels)
        )
        bounds, counts = zip(*buckets, strict=True) if buckets else ((), ())
        return Histogram(bounds, counts, self.sum(f"{name}_sum", **labels))

    def _matching(
        self, name: str, labels: dict[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for own, value in self.samples.get(name, ()):
            if labels.items() <= own.items():
                yield own, value


def scrape(url: str) -> Scrape:
    """Read a worker's metrics over HTTP.

    Raises:
        OSError: it does not answer.
    """
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
        text = response.read().decode()
    return parse(text, time.monotonic())


def parse(text: str, seconds: float) -> Scrape:
    """Return the samples of Prometheus's text format."""
    from prometheus_client.parser import text_string_to_metric_families

    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Scrape(samples, seconds)
