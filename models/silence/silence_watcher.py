"""Reports sources and channels that fall silent, come back, and send late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from models.anomaly.slots import NO_SLOT, reload_slots
from models.base import OnlineModel
from models.silence.partition_clock import PartitionClock
from models.silence.source_table import Rules, SourceTable
from models.snapshots import Option, pack, unpack
from schemas import Event, SensorReading, SourceEvent

_LAYOUT_VERSION = 2


class SilenceWatcher(OnlineModel[Event, SourceEvent]):
    """Reports that a source did not send for several of its usual intervals, and that it is back.

    Time is the partition's: what the event times of its sources say. So a source's silence is
    noticed with the next event of another one, the same log gives the same reports, and a backlog
    is judged as it would have been live. A partition whose sources are all silent reports nothing.

    The usual interval is a running mean of the source's gaps, where irregular sources are given
    12 mean absolute deviations more. A gap beyond what is allowed is learned as what is allowed.

    Where the events are readings, their channels are watched too. A channel is silent by the same
    rules, but when its source sends without it: a source that is silent as a whole says nothing
    about its channels. A channel without a name is not watched.

    Args:
        intervals: a source is silent after this many of its usual intervals, > 1.
        interval_seconds: the usual interval of all sources; None: learned, for each.
        min_gaps: gaps to see before a source is judged, where the interval is learned, >= 2.
        min_silence_seconds: a shorter silence is not reported, >= 0.
        max_step_seconds: an event whose time is farther from the partition's is not believed
            before others agree: one device's wrong clock makes no other one silent.
        max_sources: sources remembered in a partition, and channels where events are readings.
    """

    name = "silence_watcher"
    event_type = Event
    result_type = SourceEvent
    learn_every = 1

    def __init__(
        self,
        intervals: float = 3.0,
        interval_seconds: float | None = None,
        min_gaps: int = 10,
        min_silence_seconds: float = 1.0,
        max_step_seconds: float = 1800.0,
        max_sources: int = 65_536,
    ) -> None:
        if not 1 < intervals <= 1e6 or not 0 <= min_silence_seconds <= 1e9 or min_gaps < 2:
            raise ValueError(
                f"intervals {intervals}, min_silence_seconds {min_silence_seconds}, min_gaps "
                f"{min_gaps}: expected more than 1, 0 or more, and 2 or more"
            )
        if interval_seconds is not None and not 0 < interval_seconds <= 1e9:
            raise ValueError(f"interval_seconds is {interval_seconds}: expected more than 0")
        if not 0 < max_step_seconds <= 1e9 or max_sources < 1:
            raise ValueError(
                f"max_step_seconds {max_step_seconds}, max_sources {max_sources}: expected more "
                "than 0, and 1 or more"
            )
        fixed_ms = 1000.0 * (interval_seconds or 0.0)
        self._rules = Rules(intervals, fixed_ms, min_gaps, 1000.0 * min_silence_seconds)
        self._max_step_ms = round(1000 * max_step_seconds)
        self._max_sources = max_sources
        self._table = SourceTable(max_sources, self._rules)
        self._clock = PartitionClock()
        self._num_late = 0
        self._num_silent = 0
        self._options: dict[str, Option] = {
            **self._rules._asdict(), "max_step_ms": self._max_step_ms, "max_sources": max_sources,
        }  # fmt: skip

    def predict_batch(self, batch: Sequence[Event]) -> list[list[SourceEvent]]:
        """Return what each event shows, often nothing: [], after the events that were learned."""
        return [self._answer(event) for event in batch]

    def _answer(self, event: Event) -> list[SourceEvent]:
        now_ms = self._tick(event).now_ms
        table, row = self._table, self._table.find(event.source_id)
        found = [
            self._report("silent", other, (now_ms - table.seen_ms[other]) / 1000)
            for other in self._silent_now(event, now_ms)
        ]
        if row != NO_SLOT:
            found += self._of_sender(event, row, now_ms)
        return found + self._of_channels(event, now_ms)

    def _of_sender(self, event: Event, row: int, now_ms: int) -> Iterator[SourceEvent]:
        """Yield what an event shows about its source."""
        table = self._table
        if table.is_silent[row] or table.is_overdue(row, now_ms):
            yield self._report("back", row, (now_ms - table.seen_ms[row]) / 1000)
        if 0 < event.event_time_ms < table.last_ms[row]:
            late_ms = table.last_ms[row] - event.event_time_ms
            yield self._report("late", row, late_ms / 1000)

    def _of_channels(self, event: Event, now_ms: int) -> list[SourceEvent]:
        """Return what an event shows about the channels of its source."""
        table, sent, found = self._table, self._channels_of(event), []
        for row in table.channels(event.source_id):
            if table.slots.keys[row][1] in sent:
                kind = "back" if table.is_silent[row] else ""
            else:
                kind = "silent" if self._falls_silent(row, now_ms) else ""
            if kind:
                found.append(self._report(kind, row, (now_ms - table.seen_ms[row]) / 1000))
        return found

    def _channels_of(self, event: Event) -> Mapping[str, float]:
        return event.values if isinstance(event, SensorReading) else {}

    def _falls_silent(self, channel: int, now_ms: int) -> bool:
        return not self._table.is_silent[channel] and self._table.is_overdue(channel, now_ms)

    def learn_batch(self, batch: Sequence[Event]) -> None:
        """Note who sent, and who should have."""
        for event in batch:
            self._clock = self._tick(event)
            now_ms = self._clock.now_ms
            for row in self._silent_now(event, now_ms):
                self._table.is_silent[row] = True
                self._num_silent += 1
            row = self._table.find(event.source_id)
            if row != NO_SLOT:
                not_noticed = not self._table.is_silent[row]
                self._num_silent += not_noticed and self._table.is_overdue(row, now_ms)
                self._num_late += 0 < event.event_time_ms < self._table.last_ms[row]
            self._table.see(event.source_id, event.event_time_ms, now_ms)
            self._learn_channels(event, now_ms)

    def _learn_channels(self, event: Event, now_ms: int) -> None:
        table, sent = self._table, self._channels_of(event)
        for row in table.channels(event.source_id):
            if table.slots.keys[row][1] not in sent and self._falls_silent(row, now_ms):
                table.is_silent[row] = True
                self._num_silent += 1
        for channel in sent:
            if channel:  # "" is the key of the source itself
                table.see(event.source_id, event.event_time_ms, now_ms, channel)

    def _tick(self, event: Event) -> PartitionClock:
        return self._clock.after(event.source_id, event.event_time_ms, self._max_step_ms)

    def _silent_now(self, event: Event, now_ms: int) -> list[int]:
        """Return the rows that became silent, without that of the source that sends now."""
        sender = self._table.find(event.source_id)
        return [row for row in self._table.overdue(now_ms) if row != sender]

    def _report(self, kind: str, row: int, seconds: float) -> SourceEvent:
        table = self._table
        return SourceEvent(
            kind=kind,  # type: ignore[arg-type]
            subject=table.slots.keys[row][0],
            channel=table.slots.keys[row][1],
            last_event_time_ms=table.last_ms[row],
            seconds=max(seconds, 0.0),
            allowed_seconds=table.allowed_ms(row) / 1000,
        )

    def take_incidents(self) -> dict[str, int]:
        """Return the silences, late events, and keys without room since the last call."""
        silent, late = self._num_silent, self._num_late
        self._num_silent = self._num_late = 0
        return {
            "silent_source": silent, "late_event": late, **self._table.slots.take_incidents()
        }  # fmt: skip

    def snapshot(self) -> bytes:
        """Return what is known of all sources, and the clock."""
        numbers, doubted = self._clock.dump()
        slots = self._table.slots
        rows = len(slots.keys)
        names = {
            "sources": [key[0] for key in slots.keys],
            "channels": [key[1] for key in slots.keys],
            "doubted": [doubted],
        }
        arrays = {
            **self._table.arrays(), "clock": np.array(numbers, np.int64),
            "last_seen": slots.last_seen[:rows], "step": np.array([slots.step], np.int64),
        }  # fmt: skip
        return pack(self.name, _LAYOUT_VERSION, self._options, names, arrays)

    def restore(self, state: bytes) -> None:
        """Take the sources and the clock of a snapshot."""
        saved = unpack(state, self.name, _LAYOUT_VERSION, self._options)
        table = SourceTable(self._max_sources, self._rules)
        table.load(saved, reload_slots(saved, table.slots, "sources", "channels"))
        numbers = saved.array("clock", np.zeros(0, np.int64), 3).tolist()
        doubted = (saved.list_of("doubted") or [""])[0]
        self._clock = PartitionClock.load(numbers, doubted)
        self._table = table
