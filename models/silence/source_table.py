"""What is known of each source and channel: when it sent last, and how long it usually waits."""

from __future__ import annotations

import heapq
from array import array
from bisect import insort
from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.slots import NO_SLOT, Slots
from models.snapshots import Snapshot

#: Weight of a gap in the running mean, once there are many.
_WEIGHT = 0.05
#: Gaps of irregular sources: with this many mean deviations above the mean, a gap of a Poisson
#: stream (e^-9.9) is exceeded by 1 of 20,000.
_DEVIATIONS = 12.0


class Rules(NamedTuple):
    """When a source counts as silent."""

    intervals: float
    """This many of its usual intervals."""
    fixed_ms: float
    """The usual interval of all sources; 0: learned."""
    min_gaps: int
    """Gaps to see before a source is judged by its own interval, >= 1."""
    min_silence_ms: float
    """A shorter silence is none."""


class SourceTable:
    """Rows of sources, with the time by which each must have sent again, and of their channels.

    No time is kept for channels: each is judged when its source sends without it.

    Arrays of the standard library: single elements are read and written for each event, at which
    NumPy is slow.
    """

    def __init__(self, max_sources: int, rules: Rules) -> None:
        self.slots: Slots[tuple[str, ...]] = Slots(max_sources, "sources of silence_watcher")
        self._rules = rules
        self.last_ms = array("q")
        """The latest event time of each row's source."""
        self.seen_ms = array("q")
        """The partition's time when it sent last."""
        self.mean_ms = array("d")
        self.deviation_ms = array("d")
        self.num_gaps = array("q")
        self.is_silent = array("b")
        self._channels: dict[str, list[int]] = {}
        """The ascending rows of each source's channels."""
        self._due: list[tuple[float, int]] = []
        """A heap of (time, row): no source is due before its entry."""
        self._queued_ms = array("d")
        """The time of each row's entry that counts; inf: none does."""

    def allowed_ms(self, row: int) -> float:
        """Return how long a source may be silent; 0: not known yet."""
        rules = self._rules
        if rules.fixed_ms:
            return max(rules.intervals * rules.fixed_ms, rules.min_silence_ms)
        if self.num_gaps[row] < rules.min_gaps:
            return 0.0
        mean = self.mean_ms[row]
        usual = max(rules.intervals * mean, mean + _DEVIATIONS * self.deviation_ms[row])
        return max(usual, rules.min_silence_ms)

    def find(self, source_id: str, channel: str = "") -> int:
        """Return the row of a source or of one of its channels, or `NO_SLOT`."""
        return self.slots.find([(source_id, channel)])[0]

    def channels(self, source_id: str) -> list[int]:
        """Return the rows of a source's channels."""
        return self._channels.get(source_id, [])

    def overdue(self, now_ms: int) -> list[int]:
        """Return the rows that should have sent by now and are not marked, longest due first."""
        overdue: list[tuple[float, int]] = []
        while self._due and self._due[0][0] < now_ms:
            queued, row = heapq.heappop(self._due)
            if queued != self._queued_ms[row]:
                continue  # an earlier entry stood for it, or another source had the row
            self._queued_ms[row] = inf
            if self.is_silent[row] or not (allowed := self.allowed_ms(row)):
                continue
            due = self.seen_ms[row] + allowed
            if due < now_ms:
                overdue.append((due, row))
            else:
                self._queue(row, due)
        # They stay due until they are marked: to ask changes nothing.
        for due, row in overdue:
            self._queue(row, due)
        return [row for _, row in sorted(overdue)]

    def is_overdue(self, row: int, now_ms: int) -> bool:
        """Return whether a source should have sent before now."""
        allowed = self.allowed_ms(row)
        return allowed > 0 and self.seen_ms[row] + allowed < now_ms

    def see(self, source_id: str, event_time_ms: int, now_ms: int, channel: str = "") -> None:
        """Learn that a source sent, or one of its channels, at the partition's time `now_ms`."""
        claim = self.slots.claim([(source_id, channel)])
        row = claim.rows[0]
        if row == NO_SLOT:
            return
        self._grow()
        if claim.fresh:
            self._file(row, claim.lost)
            self._clear(row)
        else:
            self._learn_gap(row, event_time_ms, now_ms)
        self.last_ms[row] = max(self.last_ms[row], event_time_ms)
        self.seen_ms[row] = now_ms
        self.is_silent[row] = False
        if allowed := self.allowed_ms(row):
            self._queue(row, now_ms + allowed)

    def _file(self, row: int, lost: Sequence[tuple[str, ...]]) -> None:
        """Note whose channel a new row is, and whose it no longer is."""
        for source_id, channel in lost:
            if channel:
                self._channels[source_id].remove(row)
                if not self._channels[source_id]:
                    del self._channels[source_id]
        source_id, channel = self.slots.keys[row]
        if channel:
            insort(self._channels.setdefault(source_id, []), row)

    def _learn_gap(self, row: int, event_time_ms: int, now_ms: int) -> None:
        # A device that sends ten readings at once every ten seconds has gaps of one second by
        # their times, and one of ten by the clock; one that sends what it kept during an outage
        # has no gaps by the clock. The longer of the two is right for both.
        gap = float(max(event_time_ms - self.last_ms[row], now_ms - self.seen_ms[row]))
        if gap <= 0:
            return
        allowed = self.allowed_ms(row)
        if allowed:
            gap = min(gap, allowed)  # an outage is hardly learned
        self.num_gaps[row] += 1
        weight = max(1 / self.num_gaps[row], _WEIGHT)
        change = gap - self.mean_ms[row]
        self.mean_ms[row] += weight * change
        if self.num_gaps[row] > 1:
            self.deviation_ms[row] += weight * (abs(change) - self.deviation_ms[row])

    def _queue(self, row: int, due: float) -> None:
        # Channels are not queued. A source that begins to send more often is due before its entry.
        if not self.slots.keys[row][1] and due < self._queued_ms[row]:
            heapq.heappush(self._due, (due, row))
            self._queued_ms[row] = due

    def _columns(self) -> Iterator[tuple[str, array[int] | array[float]]]:
        for name in ("last_ms", "seen_ms", "mean_ms", "deviation_ms", "num_gaps", "is_silent"):
            yield name, getattr(self, name)

    def _grow(self) -> None:
        missing = len(self.slots.keys) - len(self.last_ms)
        if missing > 0:
            for _, column in self._columns():
                column.frombytes(bytes(column.itemsize * missing))
            self._queued_ms.extend([inf] * missing)

    def _clear(self, row: int) -> None:
        for _, column in self._columns():
            column[row] = 0
        self._queued_ms[row] = inf

    def arrays(self) -> dict[str, NDArray[np.int64] | NDArray[np.float64]]:
        """Return the columns, to be saved."""
        columns = {name: np.array(column) for name, column in self._columns()}
        columns["is_silent"] = columns["is_silent"].astype(np.int64)
        return columns

    def load(self, saved: Snapshot, rows: int) -> None:
        """Take the columns of a snapshot; the slots were filled with so many rows.

        Raises:
            ModelError: they do not fit.
        """
        self._grow()
        for name, column in self._columns():
            like = np.zeros(0, np.float64 if column.typecode == "d" else np.int64)
            values = saved.array(name, like, rows)
            for row, value in enumerate(values.tolist()):
                column[row] = value
        for row in range(rows):
            self._file(row, [])
            if not self.is_silent[row] and (allowed := self.allowed_ms(row)):
                self._queue(row, self.seen_ms[row] + allowed)
