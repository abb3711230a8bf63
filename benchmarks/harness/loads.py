"""A load of readings, sent at given times and stamped with the moment of sending."""

from __future__ import annotations

import time

import msgspec

from benchmarks.harness.arrivals import TICK_SECONDS, Counts
from benchmarks.harness.inputs import KEYS_PER_PARTITION
from benchmarks.harness.ready import Job
from schemas import SensorReading
from streams.kafka.clients import make_producer

#: Counted in every age. Without it, twenty records a millisecond are a request each for the broker,
#: which on a small machine then has no time left for the contender.
_LINGER_MS = 5
_VALUES = {f"channel_{i}": 20.0 + i for i in range(8)}


class Load:
    """Sends to a job's input, each key to its own partition. Not thread-safe."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._encode = msgspec.json.Encoder().encode
        self._producer = make_producer(
            {"bootstrap.servers": job.bootstrap_servers},
            {"linger.ms": _LINGER_MS, "queue.buffering.max.messages": 500_000},
        )
        self.num_sent = 0
        self.started_ms = 0
        """When the paced part began: milliseconds since 1970, as the event times are."""

    def send(self, count: int) -> None:
        """Send so many at once, without awaiting their acknowledgement."""
        now_ms = time.time_ns() // 1_000_000
        for index in range(self.num_sent, self.num_sent + count):
            key = b"pump-%d" % (index % (KEYS_PER_PARTITION * self._job.partitions))
            reading = SensorReading(
                source_id=key.decode(),
                event_time_ms=now_ms,
                event_id=f"r-{index}",
                values=_VALUES,
            )
            value = self._encode(reading)
            self._producer.produce(self._job.input, value, key, index % self._job.partitions)
        self.num_sent += count
        self._producer.poll(0)

    def send_paced(self, counts: Counts) -> float:
        """Send each tick's events in its time; return how many seconds it took."""
        self._producer.flush(10)
        started = time.monotonic()
        self.started_ms = time.time_ns() // 1_000_000
        for tick, count in enumerate(counts.tolist()):
            early = started + tick * TICK_SECONDS - time.monotonic()
            if early > 0:
                time.sleep(early)
            if count:
                self.send(count)
        self._producer.flush(10)
        return time.monotonic() - started
