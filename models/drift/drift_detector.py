"""Reports channels whose values have changed for good."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from models.anomaly.slots import NO_SLOT, Slots, reload_slots
from models.base import ModelError, OnlineModel
from models.drift.channel_drift import METHODS, Change, ChannelDrift
from models.snapshots import Option, pack, unpack
from schemas import DriftEvent, SensorReading

_LAYOUT_VERSION = 1
_FARTHEST_VALUE = 1e30


class DriftDetector(OnlineModel[SensorReading, DriftEvent]):
    """Reports a lasting change of a channel with the next reading of its source.

    Each channel is put on the scale of its first values, so that the defaults serve all units.

    Args:
        method: `adwin` (the mean has changed, Bifet and Gavaldà, 2007), `page_hinkley` (it moves,
            Page, 1954) or `kswin` (the distribution has changed, Raab et al., 2020).
        warm_up: values that set a channel's scale, at first and after each change, >= 30.
        min_change: a smaller change of the mean is not reported, in standard deviations, >= 0;
            not for `kswin`.
        max_channels: channels remembered in a partition.
    """

    name = "drift_detector"
    event_type = SensorReading
    result_type = DriftEvent
    learn_every = 1

    def __init__(
        self,
        method: str = "adwin",
        warm_up: int = 100,
        min_change: float = 0.5,
        max_channels: int = 4096,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"method is {method!r}: expected one of {', '.join(METHODS)}")
        if warm_up < 30 or not 0 <= min_change <= 100 or max_channels < 1:
            raise ValueError(
                f"warm_up {warm_up}, min_change {min_change}, max_channels {max_channels}: "
                "expected 30 or more, 0 to 100, and 1 or more"
            )
        self._method, self._warm_up, self._min_change = method, warm_up, min_change
        self._max_channels = max_channels
        self._slots = self._empty_slots()
        self._channels: list[ChannelDrift] = []
        self._num_changes = 0
        self._options: dict[str, Option] = {
            "method": method, "warm_up": warm_up, "min_change": min_change,
            "max_channels": max_channels,
        }  # fmt: skip

    def _empty_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self._max_channels, "channels of drift_detector")

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[list[DriftEvent]]:
        """Return the changes that the last learned reading of each one's source showed."""
        return [self._answer(reading) for reading in batch]

    def _answer(self, reading: SensorReading) -> list[DriftEvent]:
        found = []
        rows = self._slots.find((reading.source_id, channel) for channel in reading.values)
        for channel, row in zip(reading.values, rows, strict=True):
            if row != NO_SLOT and (change := self._channels[row].change):
                found.append(
                    DriftEvent(
                        channel=channel,
                        method=self._method,  # type: ignore[arg-type]
                        noticed_ms=change.noticed_ms,
                        before=change.before,
                        after=change.after,
                        spread=change.spread,
                    )
                )
        return found

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Take the readings in, in order."""
        for reading in batch:
            keys = [(reading.source_id, channel) for channel in reading.values]
            claim = self._slots.claim(keys)
            missing = len(self._slots.keys) - len(self._channels)
            self._channels += [self._new_channel() for _ in range(missing)]
            for row in claim.fresh:
                self._channels[row] = self._new_channel()
            for row, value in zip(claim.rows, reading.values.values(), strict=True):
                if row != NO_SLOT:
                    self._learn(row, value, reading.event_time_ms)

    def _new_channel(self, change: Change | None = None) -> ChannelDrift:
        return ChannelDrift(METHODS[self._method](), change=change)

    def _learn(self, row: int, value: float, event_time_ms: int) -> None:
        value = min(max(value, -_FARTHEST_VALUE), _FARTHEST_VALUE)
        channel = self._channels[row]
        change = channel.learn(value, event_time_ms, self._warm_up, self._min_change)
        if change is not None:
            self._channels[row] = self._new_channel(change)
            self._num_changes += 1

    def take_incidents(self) -> dict[str, int]:
        """Return the changes, and the channels without room, since the last call."""
        changes, self._num_changes = self._num_changes, 0
        return {"drift": changes, **self._slots.take_incidents()}

    def snapshot(self) -> bytes:
        """Return what is known of all channels."""
        slots, rows = self._slots, len(self._slots.keys)
        names = {
            "sources": [key[0] for key in slots.keys],
            "channels": [key[1] for key in slots.keys],
            "states": [msgspec.json.encode(each).decode() for each in self._channels],
        }
        arrays = {
            "last_seen": slots.last_seen[:rows], "step": np.array([slots.step], np.int64),
        }  # fmt: skip
        return pack(self.name, _LAYOUT_VERSION, self._options, names, arrays)

    def restore(self, state: bytes) -> None:
        """Take the channels of a snapshot."""
        saved = unpack(state, self.name, _LAYOUT_VERSION, self._options)
        slots = self._empty_slots()
        rows = reload_slots(saved, slots, "sources", "channels")
        try:
            states = saved.list_of("states")
            channels = [msgspec.json.decode(each, type=ChannelDrift) for each in states]
        except msgspec.MsgspecError as error:
            raise ModelError(f"the snapshot of {self.name} is damaged: {error}") from error
        if len(channels) != rows:
            raise ModelError(f"the snapshot of {self.name} is damaged: it lacks channels")
        self._slots, self._channels = slots, channels
