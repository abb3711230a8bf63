"""The engine's metrics: one scrape of them, and each agent's numbers between two scrapes."""

from __future__ import annotations

import math
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.settings import AgentSettings

#: The engine serves its metrics from a separate thread, which still competes for the CPU.
_TIMEOUT_SECONDS = 5.0
#: Rates and quantiles cover this many seconds.
WINDOW_SECONDS = 5.0


@dataclass(frozen=True)
class Histogram:
    """A Prometheus histogram at one moment, or its increase between two moments."""

    bounds: tuple[float, ...] = ()
    """Upper bounds of the buckets, ascending, the last one infinite."""
    cumulative: tuple[float, ...] = ()
    """Observations at or below each bound."""
    total: float = 0.0
    """Sum of the observed values."""

    @property
    def mean(self) -> float | None:
        """Mean of the observed values; None without observations."""
        count = self.cumulative[-1] if self.cumulative else 0.0
        return self.total / count if count else None

    def since(self, earlier: Histogram) -> Histogram:
        """Return the increase since an earlier scrape."""
        if earlier.bounds != self.bounds:
            return self
        counts = zip(self.cumulative, earlier.cumulative, strict=True)
        return Histogram(
            self.bounds, tuple(now - then for now, then in counts), self.total - earlier.total
        )

    def quantile(self, q: float) -> float | None:
        """Estimate a quantile by interpolation within a bucket, as PromQL's `histogram_quantile`.

        Args:
            q: 0 to 1.

        Returns:
            The estimate, in the unit of the bounds; the last finite bound for values beyond it;
            None without observations.
        """
        if not self.cumulative or self.cumulative[-1] <= 0:
            return None
        rank = q * self.cumulative[-1]
        index = next(i for i, count in enumerate(self.cumulative) if count >= rank)
        if math.isinf(self.bounds[index]):
            return self.bounds[index - 1] if index else None
        low_bound = self.bounds[index - 1] if index else 0.0
        low_count = self.cumulative[index - 1] if index else 0.0
        in_bucket = self.cumulative[index] - low_count
        share = (rank - low_count) / in_bucket if in_bucket else 0.0
        return low_bound + share * (self.bounds[index] - low_bound)


@dataclass(frozen=True)
class Scrape:
    """All samples of a worker's metrics, and the time of the scrape."""

    samples: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    """Metric name -> labels and value of each sample."""
    seconds: float = 0.0
    """On this machine's monotonic clock."""

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples with these labels; 0 if there are none."""
        return sum(value for _, value in self._matching(name, labels))

    def by_label(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return a metric's samples with these labels, summed by the value of another label."""
        sums: dict[str, float] = {}
        for sample_labels, value in self._matching(name, labels):
            sums[sample_labels[label]] = sums.get(sample_labels[label], 0.0) + value
        return sums

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Return one histogram; an empty one if nothing has been observed yet."""
        buckets = sorted(
            (float(sample_labels["le"]), value)
            for sample_labels, value in self._matching(f"{name}_bucket", labels)
        )
        bounds, counts = zip(*buckets, strict=True) if buckets else ((), ())
        return Histogram(bounds, counts, self.sum(f"{name}_sum", **labels))

    def _matching(
        self, name: str, labels: dict[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for sample_labels, value in self.samples.get(name, ()):
            if labels.items() <= sample_labels.items():
                yield sample_labels, value


def scrape(url: str) -> Scrape:
    """Read a worker's metrics over HTTP.

    Raises:
        OSError: the worker does not answer.
    """
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
        text = response.read().decode()
    return parse(text, time.monotonic())


def parse(text: str, seconds: float) -> Scrape:
    """Parse Prometheus's text format."""
    from prometheus_client.parser import text_string_to_metric_families

    samples: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    return Scrape(samples, seconds)


@dataclass(frozen=True)
class AgentRow:
    """One agent's numbers; None where nothing has been measured yet."""

    agent: str
    in_per_second: float = 0.0
    out_per_second: float = 0.0
    """Results, summed over the agent's result topics."""
    batch_size: float | None = None
    """Mean number of events in a model call."""
    queue_seconds: float | None = None
    """Mean time from the arrival of a batch's oldest event to its model call."""
    model_seconds: float | None = None
    """Mean duration of a model call."""
    age_p50_seconds: float | None = None
    age_p99_seconds: float | None = None
    lag: int = 0
    """Records behind the ends of the input's partitions."""
    num_dead_letters: int = 0
    """Since the start."""


class Window:
    """Keeps the scrapes of the last `WINDOW_SECONDS`."""

    def __init__(self) -> None:
        self._scrapes: deque[Scrape] = deque()

    def add(self, latest: Scrape) -> None:
        """Add a scrape and drop those that are too old."""
        scrapes = self._scrapes
        scrapes.append(latest)
        while len(scrapes) > 2 and latest.seconds - scrapes[1].seconds >= WINDOW_SECONDS:
            scrapes.popleft()

    def row(self, name: str, agent: AgentSettings) -> AgentRow:
        """Return an agent's numbers over the window."""
        if not self._scrapes:
            return AgentRow(name)
        now, then = self._scrapes[-1], self._scrapes[0]
        elapsed = max(now.seconds - then.seconds, 1e-9)

        def rate(metric: str) -> float:
            return (now.sum(metric, agent=name) - then.sum(metric, agent=name)) / elapsed

        def recent(metric: str, **labels: str) -> Histogram:
            return now.histogram(metric, agent=name, **labels).since(
                then.histogram(metric, agent=name, **labels)
            )

        ages = recent("penstock_event_age_seconds")
        return AgentRow(
            agent=name,
            in_per_second=rate("penstock_records_in_total"),
            out_per_second=rate("penstock_results_total"),
            batch_size=recent("penstock_batch_size").mean,
            queue_seconds=recent("penstock_queue_wait_seconds").mean,
            model_seconds=recent("penstock_stage_duration_seconds", stage="predict").mean,
            age_p50_seconds=ages.quantile(0.5),
            age_p99_seconds=ages.quantile(0.99),
            lag=int(now.sum("penstock_consumer_lag_records", topic=agent.inputs[0])),
            num_dead_letters=int(now.sum("penstock_dead_letters_total", agent=name)),
        )


def whole_run(name: str, agent: AgentSettings, last: Scrape) -> AgentRow:
    """Return an agent's numbers over the whole run; its rates are meaningless."""
    window = Window()
    window.add(Scrape())
    window.add(last)
    return window.row(name, agent)
