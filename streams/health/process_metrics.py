"""What the worker's process uses beside what prometheus_client exports: its threads.

prometheus_client's own collector exports `process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds` and `process_start_time_seconds` on Linux.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_STATUS = Path("/proc/self/status")


class ProcessMetrics(Collector):
    """`penstock_process_threads`: those of native libraries are counted too, where /proc is."""

    def __init__(self, registry: CollectorRegistry, status: Path = _STATUS) -> None:
        """Register the metric; `status` is Linux's file about this process."""
        self._status = status
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the number of threads at this moment."""
        yield GaugeMetricFamily(
            "penstock_process_threads",
            "Threads of the process, those of native libraries included.",
            value=self._num_threads(),
        )

    def _num_threads(self) -> int:
        try:
            for line in self._status.read_text().splitlines():
                if line.startswith("Threads:"):
                    return int(line.split()[1])
        except (OSError, ValueError):
            pass
        return threading.active_count()
