"""Serve the lag for Prometheus and KEDA, for as long as the command runs.

A value that can't be read is absent, never an old one: a lag that stands still looks like a worker
that keeps up, or like one that is stuck. `/ready` and `penstock_lag_readable` say so, and `/lag`
answers 503.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from agents.commands.lag.report import LagReport, PartitionLag, oldest_seconds, total_records
from streams.health.health import ProbeResult
from streams.health.http_server import Probes
from streams.kafka.errors import BrokerError

logger = logging.getLogger(__name__)

#: A reading is too old after this many intervals without a new one.
_MAX_INTERVALS = 3
_PLACE = ("group", "agent", "topic", "partition")


class LagExporter(Collector):
    """The latest reading, as metrics and probes; thread-safe."""

    def __init__(
        self,
        agents: Sequence[str],
        interval_seconds: float,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Have no reading yet.

        Args:
            agents: names; each has a path, `/lag/NAME`.
            interval_seconds: between two readings, > 0.
            timeout_seconds: of a request to the broker; a reading takes several.
            clock: monotonic, seconds.
        """
        self._agents = tuple(agents)
        self._max_age_seconds = _MAX_INTERVALS * (interval_seconds + timeout_seconds)
        self._clock = clock
        self._latest: tuple[LagReport, float] | None = None
        self._error = "the lag was not read yet"
        self._has_failed = False

    def took(self, report: LagReport) -> None:
        """Export a new reading."""
        self._latest, self._error = (report, self._clock()), ""
        if self._has_failed:
            logger.warning("the lag can be read again")
        self._has_failed = False

    def failed(self, error: BrokerError) -> None:
        """Export no lag until the next reading."""
        self._latest, self._error = None, f"the lag can't be read: {error}"
        if not self._has_failed:
            logger.warning("%s", self._error)
        self._has_failed = True

    def report(self) -> LagReport | None:
        """Return the latest reading; None if there is none that is recent enough."""
        latest = self._latest
        if latest is None or self._clock() - latest[1] > self._max_age_seconds:
            return None
        return latest[0]

    def probes(self) -> Probes:
        """Return `/live`, `/ready`, `/lag` and `/lag/AGENT`."""
        of_agents = {f"/lag/{name}": self._lag_of(name) for name in self._agents}
        return {"/live": self._live, "/ready": self._ready, "/lag": self._lag, **of_agents}

    def _live(self) -> ProbeResult:
        return ProbeResult.of([], {})

    def _ready(self) -> ProbeResult:
        return ProbeResult.of(self._reasons(), {})

    def _reasons(self) -> list[str]:
        if self.report() is not None:
            return []
        return [self._error or f"no reading for {self._max_age_seconds:.0f} s"]

    def _lag(self) -> ProbeResult:
        report = self.report()
        return self._facts(report, report.partitions if report else [])

    def _lag_of(self, agent: str) -> Callable[[], ProbeResult]:
        def answer() -> ProbeResult:
            report = self.report()
            return self._facts(report, report.of_agent(agent) if report else [])

        return answer

    def _facts(self, report: LagReport | None, partitions: list[PartitionLag]) -> ProbeResult:
        if report is None:
            return ProbeResult.of(self._reasons(), {})
        return ProbeResult.of(
            [],
            {
                "lag_records": total_records(partitions),
                "lag_seconds": oldest_seconds(partitions),
                "members": report.num_members,
                "partitions": len(partitions),
            },
        )

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics of the latest reading."""
        report = self.report()
        readable = _gauge("penstock_lag_readable", "1 while the group's lag can be read, else 0.")
        readable.add_metric([], float(report is not None))
        yield readable
        yield from _families(report)


def _families(report: LagReport | None) -> Iterator[GaugeMetricFamily]:
    records = _gauge("penstock_group_lag_records", "Records that wait for the group.", _PLACE)
    seconds = _gauge(
        "penstock_group_lag_seconds", "Age of the oldest record that waits; 0: none does.", _PLACE
    )
    removed = _gauge(
        "penstock_group_removed_records",
        "Offsets removed from the topic before the group had committed them.", _PLACE,
    )  # fmt: skip
    members = _gauge("penstock_group_members", "Members of the consumer group.", ("group",))
    missing = _gauge(
        "penstock_topic_missing", "1 while the broker lacks a topic of the pipeline, else 0.",
        ("topic",),
    )  # fmt: skip
    if report is not None:
        for p in report.partitions:
            place = [report.group, p.agent, p.topic, str(p.partition)]
            records.add_metric(place, p.lag_records)
            removed.add_metric(place, p.removed)
            if p.lag_seconds is not None:
                seconds.add_metric(place, p.lag_seconds)
        if report.num_members is not None:
            members.add_metric([report.group], report.num_members)
        for topic in sorted({p.topic for p in report.partitions}):
            missing.add_metric([topic], 0)
        for topic in report.missing_topics:
            missing.add_metric([topic], 1)
    return iter((records, seconds, removed, members, missing))


def _gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=labels)


def registry_of(exporter: LagExporter) -> CollectorRegistry:
    """Return a registry with the metrics of an exporter."""
    registry = CollectorRegistry()
    registry.register(exporter)
    return registry


def read_until_stopped(
    read: Callable[[], LagReport],
    exporter: LagExporter,
    interval_seconds: float,
    stop: threading.Event,
) -> None:
    """Read the lag again and again; a reading that fails is exported as failed.

    Args:
        read: returns the present lag.
        exporter: takes it.
        interval_seconds: from the end of a reading to the next.
        stop: ends the loop.
    """
    while not stop.wait(interval_seconds):
        try:
            exporter.took(read())
        except BrokerError as error:
            exporter.failed(error)
