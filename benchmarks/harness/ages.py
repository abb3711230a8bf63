"""Ages of results from topic to topic, and the highest rate that a contender sustains."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

#: The p99 that a sustained rate stays below.
SUSTAINED_P99_MS = 100.0
#: A load counts as offered if the sender reached this share of its rate.
OFFERED_SHARE = 0.95

Milliseconds = npt.NDArray[np.int64]


class AgeSummary(msgspec.Struct, frozen=True):
    """Quantiles of ages, milliseconds; 0 if there are none."""

    p50_ms: float
    p99_ms: float
    max_ms: float


def summarize_ages(ages: npt.NDArray[np.int64]) -> AgeSummary:
    """Return the quantiles of ages in milliseconds."""
    if not len(ages):
        return AgeSummary(0.0, 0.0, 0.0)
    return AgeSummary(*(float(age) for age in np.quantile(ages, [0.5, 0.99, 1.0])))


class AppendTimes:
    """The broker's timestamps of a topic's records, milliseconds since 1970, by record index.

    Record i is in partition i % P at offset i // P.
    """

    def __init__(self, num_records: int, partitions: int) -> None:
        """Begin with no timestamps: -1 for each record."""
        self.times_ms: Milliseconds = np.full(num_records, -1, np.int64)
        self.is_log_append_time = True
        self._partitions = partitions

    def add_all(self, messages: Iterable[Message]) -> None:
        """Note the timestamps of the input's records."""
        for message in messages:
            index = (message.offset() or 0) * self._partitions + (message.partition() or 0)
            self.add(index, message)

    def add(self, index: int, message: Message) -> None:
        """Note the timestamp of a record, or of the result that answers it."""
        kind, time_ms = message.timestamp()
        self.times_ms[index] = time_ms
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            self.is_log_append_time = False


def ages_ms(inputs: AppendTimes, outputs: AppendTimes, first: int) -> Milliseconds:
    """Return the ages of the results to all records from index `first` that have one."""
    is_answered = outputs.times_ms[first:] >= 0
    return (outputs.times_ms[first:] - inputs.times_ms[first:])[is_answered]


def rate_of(times_ms: Milliseconds) -> float:
    """Return the records a second that timestamps show; 0 for fewer than two."""
    if len(times_ms) < 2:
        return 0.0
    seconds = (int(times_ms.max()) - int(times_ms.min())) / 1000
    return (len(times_ms) - 1) / seconds if seconds else 0.0


def sustained_rate(points: Sequence[tuple[float, float | None]]) -> float | None:
    """Return the highest rate up to which every measured rate was sustained.

    Args:
        points: a rate, and the p99 in milliseconds, or None if the contender fell behind there.

    Returns:
        None if the lowest rate was not sustained.
    """
    best = None
    for rate, p99_ms in sorted(points, key=lambda point: point[0]):
        if p99_ms is None or p99_ms >= SUSTAINED_P99_MS:
            break
        best = rate
    return best
