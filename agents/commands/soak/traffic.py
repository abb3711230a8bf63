"""The records of a testbed: a steady load going in, and a watch over what comes out."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

import msgspec

from agents.commands.soak.model import POISON
from streams.kafka.admin import ends
from streams.kafka.errors import BrokerError
from streams.kafka.publisher import Publisher
from streams.kafka.settings import Kafka

#: Every 211th record makes the model raise; every 307th is broken JSON.
_POISON_EVERY, _BROKEN_EVERY = 211, 307
#: With several keys for each partition, every partition has records.
_NUM_KEYS, _NUM_KEYS_PER_PARTITION = 20, 10
#: Records that are due are sent together, this often.
_TICK_SECONDS = 0.02
#: Longer than any outage caused on purpose, so that every record is delivered in the end.
_DELIVERY_TIMEOUT_MS = 900_000
_SETTINGS: Mapping[str, str | int | bool] = {
    "enable.idempotence": True,
    "linger.ms": 5,
    "delivery.timeout.ms": _DELIVERY_TIMEOUT_MS,
}
_WATCH_SECONDS = 0.25
#: Short, so that a request to a broker that is down does not look like a stall of the workers.
_REQUEST_SECONDS = 1.0


class Load:
    """Publishes numbers from a thread: 1000, 1001, 1002 ... over some keys, some of them bad."""

    def __init__(
        self,
        kafka: Kafka,
        topic: str,
        per_second: float,
        extra: tuple[float, ...] = (),
        poisons: bool = True,
        partitions: int = 1,
    ) -> None:
        """Prepare to publish; `start` begins.

        Args:
            kafka: client settings by librdkafka's names.
            topic: to publish to.
            per_second: records per second.
            extra: special numbers to send now and then.
            poisons: whether some numbers make the model raise.
            partitions: of the topic.
        """
        self._publisher = Publisher(kafka, _SETTINGS)
        self._topic = topic
        self._per_second = per_second
        self._extra = extra
        self._poisons = poisons
        self._num_keys = max(_NUM_KEYS, _NUM_KEYS_PER_PARTITION * partitions)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    @property
    def num_delivered(self) -> int:
        """Records that the broker has acknowledged."""
        return self._publisher.deliveries.num_delivered

    @property
    def num_failed(self) -> int:
        """Records that could not be delivered."""
        return self._publisher.deliveries.num_failed

    def start(self) -> None:
        """Start to publish."""
        self._thread.start()

    def stop(self, timeout: float = 120.0) -> bool:
        """Stop publishing; return whether every record was delivered within the time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        return self._publisher.flush(timeout) == 0 and not self.num_failed

    def _run(self) -> None:
        started, count = time.monotonic(), 0
        while not self._stop.wait(_TICK_SECONDS):
            due = int((time.monotonic() - started) * self._per_second)
            for number in range(count, due):
                key = f"key-{number % self._num_keys}"
                self._publisher.send(self._topic, self._value(number), key.encode())
            count = max(count, due)
            self._publisher.serve()

    def _value(self, number: int) -> bytes:
        x = float(1_000 + number)
        if number % _BROKEN_EVERY == 1:
            return b'{"x": '
        if self._poisons and number % _POISON_EVERY == 1:
            x = POISON
        elif self._extra and number % _POISON_EVERY == 100:
            x = self._extra[number // _POISON_EVERY % len(self._extra)]
        return msgspec.json.encode({"x": x})


class StallWatch:
    """Measures the longest time without a new record in any output partition, from a thread.

    A partition's results and dead letters count together, but apart from other partitions, so that
    progress in one does not hide a stall in another.
    """

    def __init__(self, kafka: Kafka, topics: dict[str, int]) -> None:
        """Prepare to watch; `start` begins.

        Args:
            kafka: client settings by librdkafka's names.
            topics: output topic -> number of partitions.
        """
        self._kafka, self._topics = kafka, topics
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stall-watch", daemon=True)
        self.num_out: Counter[int] = Counter()
        """Number of records in the output by partition, repeats included."""
        self.longest_seconds = 0.0
        """The longest stall of any partition, not counting the time before its first record."""
        self._moved_at: dict[int, float] = {}

    def start(self) -> None:
        """Start to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def has_moved(self, since: Counter[int], num_records: int) -> bool:
        """Return whether there are this many more records, and more in each partition."""
        now = self.num_out
        return now.total() - since.total() >= num_records and all(
            now[partition] > since[partition] for partition in range(max(self._topics.values()))
        )

    def _run(self) -> None:
        while not self._stop.wait(_WATCH_SECONDS):
            try:
                self._look(ends(self._kafka, self._topics, _REQUEST_SECONDS))
            except BrokerError:
                continue  # the broker is down: the stall continues

    def _look(self, end_offsets: dict[tuple[str, int], int]) -> None:
        now, num_out = time.monotonic(), Counter[int]()
        for (_, partition), end in end_offsets.items():
            num_out[partition] += end
        for partition, count in num_out.items():
            if count > self.num_out[partition]:
                seconds = now - self._moved_at.get(partition, now)
                self.longest_seconds = max(self.longest_seconds, seconds)
                self._moved_at[partition] = now
        self.num_out = +num_out
