"""The age of the oldest unfinished record of each partition, computed when metrics are read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.records import TopicPartition


class LagSeconds(Collector):
    """`penstock_consumer_lag_seconds`: how long ago the oldest unfinished record was written.

    The age grows between two observations too, so a worker that stands still shows a lag that
    grows. While records wait of which none is fetched yet, their timestamps are not known: the lag
    is then the time since that was first noticed, which is too low rather than too high.
    """

    _name = "penstock_consumer_lag_seconds"
    _documentation = "Age of the oldest record that is not finished; 0 if there is none."
    _labelnames = ("topic", "partition")

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float] = time.time) -> None:
        """Register the metric; `clock` returns Unix time in seconds, as Kafka's timestamps do."""
        self._clock = clock
        self._since: dict[TopicPartition, float | None] = {}
        """Unix time of the oldest unfinished record; None: nothing is unfinished."""
        self._noticed: dict[TopicPartition, float] = {}
        """When records were first seen to wait while none was in work."""
        registry.register(self)

    def observe(self, tp: TopicPartition, oldest_ms: int | None, is_waiting: bool) -> None:
        """Note what a partition waits for.

        Args:
            tp: the partition.
            oldest_ms: timestamp of the oldest record in work, milliseconds since 1970; None if none
                is in work; <= 0 if it has no timestamp.
            is_waiting: whether records can be fetched.
        """
        if oldest_ms is not None and oldest_ms > 0:
            self._noticed.pop(tp, None)
            self._since[tp] = oldest_ms / 1000.0
        elif is_waiting or oldest_ms is not None:
            self._since[tp] = self._noticed.setdefault(tp, self._clock())
        else:
            self._noticed.pop(tp, None)
            self._since[tp] = None

    def forget(self, tp: TopicPartition) -> None:
        """Export nothing more of a partition that another worker holds now."""
        self._since.pop(tp, None)
        self._noticed.pop(tp, None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the ages at this moment."""
        now = self._clock()
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for (topic, partition), since in list(self._since.items()):
            seconds = 0.0 if since is None else max(now - since, 0.0)
            family.add_metric([topic, str(partition)], seconds)
        yield family
