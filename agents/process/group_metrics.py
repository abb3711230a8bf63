"""The metrics and probes of several worker processes at one address, with a label for each process.

Each process serves its own at a Unix socket in a folder of the process that started them, which
reads all of them whenever it is asked. Every sample gets the label `process`, 1 to N: no value is
summed up, so rates, restarts and gauges stay exact.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from agents.process.metrics_server import PORT_SETTING, serve_registry
from streams.health.health import ProbeResult
from streams.settings import MetricsSettings

#: Less than a kubelet's or Prometheus' own time limit: one process that hangs hides no other.
_ANSWER_SECONDS = 2.0


def serve_group(settings: MetricsSettings, sockets: Mapping[str, Path]) -> None:
    """Serve the metrics and probes of all processes in a thread.

    Args:
        settings: the address.
        sockets: where each process serves its own, by its name (`2/4`).

    Raises:
        UserError: the address is taken or does not belong to this machine.
    """
    registry = CollectorRegistry()
    group = GroupMetrics(sockets, registry)
    probes = {"/live": group.live, "/ready": group.ready}
    serve_registry(settings.host, settings.port, registry, probes, PORT_SETTING)


class GroupMetrics(Collector):
    """Reads the processes' metrics and probes; thread-safe."""

    def __init__(self, sockets: Mapping[str, Path], registry: CollectorRegistry) -> None:
        """Register the metrics; no process need run yet.

        Args:
            sockets: by the name of the process (`2/4`).
            registry: where they are exported.
        """
        self._sockets = dict(sockets)
        self._has_answered: set[str] = set()
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Describe nothing: what there is depends on the processes."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield every family of every process; those of one that does not answer are absent."""
        up = GaugeMetricFamily(
            "penstock_process_up", "1 while a process of this worker answers.", labels=["process"]
        )
        families: dict[str, Metric] = {}
        for name, answer in self._ask("/metrics"):
            number = name.partition("/")[0]
            up.add_metric([number], float(answer is not None))
            if answer is not None:
                _add(families, answer[1], number)
        yield up
        yield from families.values()

    def live(self) -> ProbeResult:
        """Return whether no process needs a restart; one that has not begun yet needs none."""
        return self._probe("/live", lambda name: name not in self._has_answered)

    def ready(self) -> ProbeResult:
        """Return whether every process can work."""
        return self._probe("/ready", lambda name: False)

    def _probe(self, path: str, may_be_silent: Callable[[str], bool]) -> ProbeResult:
        reasons: list[str] = []
        facts: dict[str, float | int | bool | str | None] = {"processes": len(self._sockets)}
        num_ok = 0
        for name, answer in self._ask(path):
            if answer is None:
                reasons += [] if may_be_silent(name) else [f"[{name}] does not answer"]
                continue
            result = json.loads(answer[1])
            num_ok += bool(result["ok"])
            reasons += [f"[{name}] {reason}" for reason in result["reasons"]]
        return ProbeResult.of(reasons, {**facts, "processes_ok": num_ok})

    def _ask(self, path: str) -> Iterator[tuple[str, tuple[int, str] | None]]:
        """Ask all processes at once; None from one that does not answer in time."""
        with ThreadPoolExecutor(
            max(len(self._sockets), 1), thread_name_prefix="group-metrics"
        ) as pool:
            answers = list(pool.map(lambda at: _get(at, path), self._sockets.values()))
        for name, answer in zip(self._sockets, answers, strict=True):
            if answer is not None:
                self._has_answered.add(name)
            yield name, answer


def _add(families: dict[str, Metric], text: str, process: str) -> None:
    """Add one process's families, in Prometheus' text format, with its label."""
    for family in text_string_to_metric_families(text):
        merged = families.setdefault(
            family.name, Metric(family.name, family.documentation, family.type)
        )
        merged.samples += [
            Sample(sample.name, {**sample.labels, "process": process}, sample.value)
            for sample in family.samples
        ]


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock: Any = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _get(at: Path, path: str) -> tuple[int, str] | None:
    """Return status and body; None if the process does not run, or does not answer in time."""
    connection = _LocalConnection(at, _ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
