"""A stopwatch for work whose parts may overlap, and counters of such seconds for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Stopwatch:
    """Sums the seconds during which at least one of its `with` blocks runs.

    The blocks may overlap and nest, all on one thread; `seconds` may be read on any other.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_running = 0
        # One tuple, replaced as a whole: a reader never sees one half of a change.
        self._state: tuple[float, float | None] = (0.0, None)

    def __enter__(self) -> None:
        self.start()

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin a part; each needs its `stop`."""
        self._num_running += 1
        if self._num_running == 1:
            self._state = (self._state[0], self._clock())

    def stop(self) -> None:
        """End a part."""
        self._num_running -= 1
        seconds, since = self._state
        if not self._num_running and since is not None:
            self._state = (seconds + (self._clock() - since), None)

    def seconds(self) -> float:
        """Return the sum, with the part that still runs; never falls."""
        seconds, since = self._state
        # So rounding never makes the sum fall, which Prometheus would take for a restart.
        return seconds if since is None else seconds + (self._clock() - since)


class StopwatchCounter(Collector):
    """A Prometheus counter of the seconds of stopwatches, one for each value of a label."""

    def __init__(
        self, name: str, documentation: str, label: str | None, registry: CollectorRegistry
    ) -> None:
        """Register the counter.

        Args:
            name: without `_total`.
            documentation: the help text.
            label: its only label; None: the counter has one value, of the stopwatch `of("")`.
            registry: where it is exported.
        """
        self._name, self._documentation = name, documentation
        self._labelnames = () if label is None else (label,)
        self._watches: dict[str, Stopwatch] = {} if label else {"": Stopwatch()}
        registry.register(self)

    def of(self, value: str = "") -> Stopwatch:
        """Return the stopwatch of a label value; the first call makes it."""
        return self._watches.setdefault(value, Stopwatch())

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter with the present sums."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labelnames)
        for value, watch in list(self._watches.items()):
            family.add_metric([value] if self._labelnames else [], watch.seconds())
        yield family
