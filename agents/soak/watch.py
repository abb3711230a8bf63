"""How long nothing came out: the longest stall of a run."""

from __future__ import annotations

import threading
import time

from streams.kafka_client import BrokerError, Kafka, ends

_POLL_SECONDS = 0.25
#: Short: a request to a broker that went away must not look like a stall of the workers.
_REQUEST_SECONDS = 1.0


class StallWatch:
    """Looks at the ends of output topics on a thread of its own."""

    def __init__(self, kafka: Kafka, topics: dict[str, int]) -> None:
        """Say where results and dead letters come out; nothing is watched yet.

        Args:
            kafka: client settings by librdkafka's names.
            topics: name to number of partitions.
        """
        self._kafka, self._topics = kafka, topics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall-watch", daemon=True)
        self.num_out = 0
        """Records that have come out, repeats included."""
        self.longest_seconds = 0.0
        """Between two looks that saw something new, the first result apart."""
        self._moved_at: float | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join()

    @property
    def seconds_since_last(self) -> float:
        """How long ago something came out; 0 before the first."""
        return time.monotonic() - self._moved_at if self._moved_at is not None else 0.0

    def _run(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                found = ends(self._kafka, self._topics, _REQUEST_SECONDS)
            except BrokerError:
                continue  # it is away: the stall goes on
            self._look(sum(found.values()))

    def _look(self, num_out: int) -> None:
        if num_out <= self.num_out:
            return
        now = time.monotonic()
        if self._moved_at is not None:
            self.longest_seconds = max(self.longest_seconds, now - self._moved_at)
        self.num_out, self._moved_at = num_out, now
