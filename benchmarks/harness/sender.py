"""A process that sends records at their due times: `python -m benchmarks.harness.sender PLAN`.

It first sends a few priming records a partition and waits for a line on stdin, so that the load
begins when its receiver works. What it reports (JSON lines on stdout) says how late each record
was handed to the Kafka client and how many records shared a request: a load whose records arrive
in bulk is not a live one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import KafkaError, Message, Producer

from benchmarks.harness.payloads import Payloads
from benchmarks.harness.schedule import ARRIVALS

_STATISTICS_MS = 200
_FLUSH_SECONDS = 10.0


class Stream(msgspec.Struct, frozen=True):
    """The load on one topic."""

    topic: str
    partitions: int
    kind: str
    """Of `payloads.KINDS`."""
    sources: int
    rate: float
    """Records a second."""


class SendPlan(msgspec.Struct, frozen=True):
    """What a sender process sends."""

    servers: str
    streams: list[Stream]
    arrivals: str
    """Of `schedule.ARRIVALS`."""
    warm_up_seconds: float
    seconds: float
    """Measured, after the warm-up."""
    linger_ms: int
    primers: int = 1
    """Priming records in each partition."""

    def due_seconds(self, number: int) -> npt.NDArray[np.float64]:
        """Return the due times of a stream's records behind the primers, from the start."""
        total = self.warm_up_seconds + self.seconds
        return ARRIVALS[self.arrivals](self.streams[number].rate, total, number)

    def num_primers(self, number: int) -> int:
        """Return the number of a stream's priming records: they have the first indices."""
        return self.primers * self.streams[number].partitions


class SendReport(msgspec.Struct, frozen=True):
    """What a sender process did."""

    primed_ms: int
    """The event time of the primers, milliseconds since 1970."""
    started_ms: int
    """When the load began, warm-up included; a record is due at this and its due time."""
    late_p50_ms: float
    """From a measured record's due time until the Kafka client had it."""
    late_p99_ms: float
    late_max_ms: float
    records_per_request: float
    """The mean number of records of a partition in a produce request."""


class _Sender:
    def __init__(self, plan: SendPlan) -> None:
        self._plan = plan
        self._payloads = [Payloads(s.kind, s.sources, s.partitions) for s in plan.streams]
        self._failure = ""
        self._num_batches = self._num_batched = 0
        self._is_measuring = False
        self._producer = Producer(
            {
                "bootstrap.servers": plan.servers,
                "linger.ms": plan.linger_ms,
                "acks": "all",
                "enable.idempotence": True,  # a record's offset follows from its index
                "socket.nagle.disable": True,
                "queue.buffering.max.messages": 1_000_000,
                "delivery.report.only.error": True,
                "statistics.interval.ms": _STATISTICS_MS,
                "stats_cb": self._note_statistics,
                "log_level": 0,
            }
        )

    def run(self) -> None:
        primed_ms = time.time_ns() // 1_000_000
        for number in range(len(self._plan.streams)):
            for index in range(self._plan.num_primers(number)):
                self._send(number, index, primed_ms)
        self._flush()
        _print("primed")
        sequence = self._sequence()  # drawn meanwhile
        if not sys.stdin.readline():
            return  # the bench has ended
        started_ms, late = self._send_paced(*sequence)
        self._flush()
        _print(
            SendReport(
                primed_ms=primed_ms,
                started_ms=started_ms,
                late_p50_ms=_quantile_ms(late, 0.5),
                late_p99_ms=_quantile_ms(late, 0.99),
                late_max_ms=_quantile_ms(late, 1.0),
                records_per_request=self._num_batched / max(self._num_batches, 1),
            )
        )

    def _sequence(self) -> tuple[npt.NDArray[np.float64], Sequence[int], Sequence[int]]:
        """Return due times, stream numbers and indices of all records, by their due times."""
        plan = self._plan
        dues = [plan.due_seconds(number) for number in range(len(plan.streams))]
        numbers = np.concatenate([np.full(len(d), n) for n, d in enumerate(dues)])
        indices = np.concatenate(
            [plan.num_primers(n) + np.arange(len(d)) for n, d in enumerate(dues)]
        )
        due = np.concatenate(dues)
        order = np.argsort(due, kind="stable")
        return due[order], numbers[order].tolist(), indices[order].tolist()

    def _send_paced(
        self, due: npt.NDArray[np.float64], numbers: Sequence[int], indices: Sequence[int]
    ) -> tuple[int, npt.NDArray[np.float64]]:
        """Send each record at its due time; return the start and the measured records' lateness."""
        late, clock = np.zeros(len(due)), time.monotonic
        warm_up, times = self._plan.warm_up_seconds, due.tolist()
        started_ms, started = time.time_ns() // 1_000_000, clock()
        for position, seconds in enumerate(times):
            if not self._is_measuring and seconds >= warm_up:
                self._begin_measuring(started + warm_up)
            wait = started + seconds - clock()
            if wait > 0:
                self._producer.poll(0)
                time.sleep(max(started + seconds - clock(), 0.0))
            self._send(numbers[position], indices[position], started_ms + int(1000 * seconds))
            late[position] = clock() - started - seconds
        if not self._is_measuring:
            self._begin_measuring(started + warm_up)
        time.sleep(max(started + warm_up + self._plan.seconds - clock(), 0.0))
        return started_ms, late[due >= warm_up]

    def _begin_measuring(self, at: float) -> None:
        time.sleep(max(at - time.monotonic(), 0.0))
        self._is_measuring = True
        _print("measuring")

    def _send(self, number: int, index: int, event_time_ms: int) -> None:
        stream, payloads = self._plan.streams[number], self._payloads[number]
        key, value = payloads.key(index), payloads.value(index, event_time_ms)
        while True:
            try:
                self._producer.produce(
                    stream.topic,
                    value,
                    key,
                    index % stream.partitions,
                    on_delivery=self._delivered,
                )
                return
            except BufferError:
                self._producer.poll(0.01)

    def _flush(self) -> None:
        left = self._producer.flush(_FLUSH_SECONDS)
        if left or self._failure:
            raise SystemExit(f"{left} records were not sent: {self._failure or 'no answer'}")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failure = error.str()

    def _note_statistics(self, text: str) -> None:
        if not self._is_measuring:
            return
        topics: dict[str, Any] = msgspec.json.decode(text)["topics"]
        for topic in topics.values():
            self._num_batches += topic["batchcnt"]["cnt"]
            self._num_batched += topic["batchcnt"]["sum"]


def _quantile_ms(seconds: npt.NDArray[np.float64], share: float) -> float:
    return float(1000 * np.quantile(seconds, share)) if len(seconds) else 0.0


def _print(line: str | SendReport) -> None:
    print(msgspec.json.encode(line).decode(), flush=True)


if __name__ == "__main__":
    _Sender(msgspec.json.decode(sys.argv[1], type=SendPlan)).run()
