"""The time of a partition, by the event times of all its sources."""

from __future__ import annotations

from typing import NamedTuple

from models.base import ModelError

#: So many events in a row, of at least two sources, that disagree with the clock move it...
_ENOUGH_EVENTS = 8
#: ... or so many of one source.
_ENOUGH_OF_ONE = 64


class PartitionClock(NamedTuple):
    """The latest event time that is believed; never changed, `after` returns the next one.

    One device whose clock is a year ahead must not make all others look silent. So an event far
    from the clock, either way, is believed only when the next ones agree with it.
    """

    now_ms: int = 0
    """Milliseconds since 1970-01-01T00:00:00Z; 0 before the first event."""
    num_doubted: int = 0
    """Events in a row that were far from the clock."""
    doubted_ms: int = 0
    """Of these the time that is nearest to the clock."""
    doubted_source: str = ""
    """The source of all of these; "" if there are several."""

    def after(self, source_id: str, event_time_ms: int, max_step_ms: int) -> PartitionClock:
        """Return the clock after an event.

        Args:
            source_id: of the event.
            event_time_ms: of the event; 0: not known.
            max_step_ms: an event at most this far from the clock is believed at once.
        """
        if not event_time_ms:
            return self
        if not self.now_ms or abs(event_time_ms - self.now_ms) <= max_step_ms:
            if event_time_ms <= self.now_ms and not self.num_doubted:
                return self  # most events of a batch: no new object
            return PartitionClock(max(event_time_ms, self.now_ms))
        return self._doubt(source_id, event_time_ms)

    def _doubt(self, source_id: str, event_time_ms: int) -> PartitionClock:
        number, nearest, source = self.num_doubted + 1, event_time_ms, source_id
        if self.num_doubted:
            nearest = min(event_time_ms, self.doubted_ms, key=lambda ms: abs(ms - self.now_ms))
            source = source_id if source_id == self.doubted_source else ""
        if number >= (_ENOUGH_OF_ONE if source else _ENOUGH_EVENTS):
            return PartitionClock(nearest)
        return PartitionClock(self.now_ms, number, nearest, source)

    def dump(self) -> tuple[list[int], str]:
        """Return what `load` takes."""
        return [self.now_ms, self.num_doubted, self.doubted_ms], self.doubted_source

    @classmethod
    def load(cls, numbers: list[int], source: str) -> PartitionClock:
        """Return a saved clock.

        Raises:
            ModelError: the numbers can't be a clock's.
        """
        if min(numbers) < 0:
            raise ModelError("the clock of the snapshot is damaged")
        now_ms, num_doubted, doubted_ms = numbers
        return cls(now_ms, num_doubted, doubted_ms, source)
