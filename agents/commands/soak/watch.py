"""How long nothing came out of a partition: the longest stall of a run."""

from __future__ import annotations

import threading
import time
from collections import Counter

from streams.kafka.admin import ends
from streams.kafka.errors import BrokerError
from streams.kafka.settings import Kafka

_POLL_SECONDS = 0.25
#: Short: a request to a broker that went away must not look like a stall of the workers.
_REQUEST_SECONDS = 1.0


class StallWatch:
    """Looks at the ends of output topics on a thread of its own.

    A partition's results and dead letters count together, apart from other partitions': that some
    flow on must not hide one that stands still.
    """

    def __init__(self, kafka: Kafka, topics: dict[str, int]) -> None:
        """Say where results and dead letters come out; nothing is watched yet.

        Args:
            kafka: client settings by librdkafka's names.
            topics: name to number of partitions.
        """
        self._kafka, self._topics = kafka, topics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall-watch", daemon=True)
        self.num_out: Counter[int] = Counter()
        """Records that have come out, by partition, repeats included."""
        self.longest_seconds = 0.0
        """Of a partition between two looks that saw something new, the first result apart."""
        self._moved_at: dict[int, float] = {}

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()
        self._thread.join()

    def has_moved(self, since: Counter[int], num_records: int) -> bool:
        """Whether so much more came out, and more of each partition."""
        now = self.num_out
        return now.total() - since.total() >= num_records and all(
            now[partition] > since[partition] for partition in range(max(self._topics.values()))
        )

    @property
    def seconds_since_last(self) -> float:
        """How long ago something came out of the partition that is quiet longest; 0 at first."""
        return time.monotonic() - min(self._moved_at.values()) if self._moved_at else 0.0

    def _run(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                found = ends(self._kafka, self._topics, _REQUEST_SECONDS)
            except BrokerError:
                continue  # it is away: the stall goes on
            self._look(found)

    def _look(self, found: dict[tuple[str, int], int]) -> None:
        now, num_out = time.monotonic(), Counter[int]()
        for (_, partition), end in found.items():
            num_out[partition] += end
        for partition, count in num_out.items():
            if count > self.num_out[partition]:
                seconds = now - self._moved_at.get(partition, now)
                self.longest_seconds = max(self.longest_seconds, seconds)
                self._moved_at[partition] = now
        self.num_out = +num_out
