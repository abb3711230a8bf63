"""Events that wait for their late labels: bounded, and joined by record or by `event_id`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from models.snapshots import Snapshot
from schemas import Feedback
from schemas.feedback import parse_origin

#: A place in an input that no engine has named, such as in a notebook.
_NOWHERE = ("", -1)


class WaitingEvent(NamedTuple):
    """What a model keeps of an event."""

    about: str
    """The event's `event_id`, or ""."""
    payload: str
    """What it learns from once the label is here; "": the label was here."""


class WaitingEvents:
    """The last events of one partition, until their labels come.

    Args:
        capacity: events remembered; the oldest is dropped first, and its label comes too late.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._events: dict[int, WaitingEvent] = {}
        """By offset, ascending."""
        self._by_id: dict[str, int] = {}
        self._place: tuple[str, int] = _NOWHERE
        self._next_offset = 0
        self._dropped_to = 0
        """Events below this offset were dropped, or never seen."""
        self._noted: Sequence[int] = ()
        self._incidents = {"label_too_late": 0, "label_unknown": 0}

    def note(self, partition: tuple[str, int], offsets: Sequence[int]) -> None:
        """Note topic and partition, and the offsets of the next step's events."""
        self._place, self._noted = (str(partition[0]), int(partition[1])), offsets

    def offsets_of(self, num_events: int) -> Sequence[int]:
        """Return the offsets of a step's events: as noted, else counted on."""
        noted, self._noted = self._noted, ()
        if len(noted) != num_events:
            noted = range(self._next_offset, self._next_offset + num_events)
        if num_events:
            self._next_offset = noted[-1] + 1
        return noted

    def add(self, offset: int, about: str, payload: str) -> None:
        """Remember an event; of two with one `event_id` a label means the later."""
        if not self._events and not self._dropped_to:
            self._dropped_to = offset
        self._events[offset] = WaitingEvent(about, payload)
        if about:
            self._by_id[about] = offset
        if len(self._events) > self._capacity:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = next(iter(self._events))
        event = self._events.pop(oldest)
        self._dropped_to = oldest + 1
        if self._by_id.get(event.about) == oldest:
            del self._by_id[event.about]

    def take(self, label: Feedback) -> WaitingEvent | None:
        """Return the event that a label is about; None if there is none, or it was labeled before.

        A label whose event is not known is an incident. A repeated label is none: a copy may be
        written twice.
        """
        offset = self._offset_of(label)
        event = self._events.get(offset) if offset is not None else None
        if offset is None or event is None:
            is_late = offset is not None and offset < self._dropped_to
            self._incidents["label_too_late" if is_late else "label_unknown"] += 1
            return None
        if not event.payload:
            return None
        self._events[offset] = event._replace(payload="")
        return event

    def _offset_of(self, label: Feedback) -> int | None:
        if not label.answer:
            return self._by_id.get(label.about)
        origin = parse_origin(label.answer)
        if origin is None or (self._place not in (_NOWHERE, (origin.topic, origin.partition))):
            return None
        return origin.offset

    def take_incidents(self) -> dict[str, int]:
        """Return the labels that could not be joined since the last call, by kind."""
        incidents = dict(self._incidents)
        self._incidents = dict.fromkeys(incidents, 0)
        return incidents

    def __len__(self) -> int:
        return len(self._events)

    def names(self) -> dict[str, list[str]]:
        """Return the lists of a snapshot."""
        return {
            "waiting_about": [event.about for event in self._events.values()],
            "waiting_payload": [event.payload for event in self._events.values()],
            "waiting_topic": [self._place[0]],
        }

    def arrays(self) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
        """Return the arrays of a snapshot."""
        numbers = (self._place[1], self._next_offset, self._dropped_to)
        return {
            "waiting_offsets": np.fromiter(self._events, np.int64, len(self._events)),
            "waiting_place": np.array(numbers, np.int64),
        }

    @classmethod
    def load(cls, capacity: int, saved: Snapshot) -> WaitingEvents:
        """Return the events of a snapshot.

        Raises:
            ModelError: it has none, or is damaged.
        """
        waiting = cls(capacity)
        payloads = saved.list_of("waiting_payload")
        offsets = saved.array("waiting_offsets", np.zeros(0, np.int64), len(payloads)).tolist()
        partition, waiting._next_offset, waiting._dropped_to = saved.array(
            "waiting_place", np.zeros(0, np.int64), 3
        ).tolist()
        waiting._place = ((saved.list_of("waiting_topic") or [""])[0], partition)
        entries = zip(offsets, saved.list_of("waiting_about"), payloads, strict=False)
        for offset, about, payload in islice(entries, capacity):
            waiting._events[offset] = WaitingEvent(about, payload)
            if about:
                waiting._by_id[about] = offset
        return waiting
