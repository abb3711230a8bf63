"""Which events are too old to be worth an answer: for live streams whose newest state counts.

The age of an event is the wall clock's time minus its `event_time_ms`; the decoder has filled that
in from the record's headers or from Kafka's timestamp where the value leaves it out. So an age
is known once a record is decoded, and not before: a Kafka timestamp may lie on either side of the
event time in the value. An event without any time has no age and never expires; nor does one whose
clock runs ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from schemas import Event
from schemas.errors import ExpiredError


class Deadline:
    """An age from which events are given up."""

    def __init__(self, seconds: float, wall_clock: Callable[[], float]) -> None:
        """Take the age in seconds, and a clock of Unix time in seconds."""
        self._seconds = seconds
        self._wall_clock = wall_clock

    def expired(self, events: Sequence[Event]) -> list[int]:
        """Return the positions of the events that are older than the deadline, ascending."""
        oldest_ms = (self._wall_clock() - self._seconds) * 1000.0
        return [i for i, event in enumerate(events) if 0 < event.event_time_ms < oldest_ms]

    def error(self, event: Event) -> ExpiredError:
        """Return what the dead letter of an event that was given up says."""
        age = self._wall_clock() - event.event_time_ms / 1000.0
        return ExpiredError(
            f"the event was {age:.3f} s old when it could have gone to the model: this agent's "
            f"deadline_seconds is {self._seconds:g}"
        )
