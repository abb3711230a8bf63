"""Finds the rows in a `ChannelStore` that belong to the channels of one model's sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.anomaly.channel_store import ChannelStore
from models.anomaly.slots import NO_SLOT, Slots, grown
from schemas import SensorReading

Ints = NDArray[np.int64]

Key: TypeAlias = tuple[str, ...]
"""(source_id, channel)."""


class _Layout(NamedTuple):
    """The channels of a source's last learned reading, in its order."""

    channels: tuple[str, ...]
    slots: list[int]
    rows: list[int]


class ChannelIndex:
    """One model's channels: slots by (source_id, channel), and the store's row of each slot.

    Most readings of a source have the same channels as the one before. Their rows are remembered,
    so that such a reading costs one look-up and not one for each channel.
    """

    def __init__(self, slots: Slots[Key], store: ChannelStore) -> None:
        self.slots = slots
        self._store = store
        self._rows = store.allocate(len(slots.keys))
        """(slots,) and more: the store's row of each slot."""
        self._layouts: dict[str, _Layout] = {}

    @property
    def rows(self) -> Ints:
        """(slots,) the store's rows, in the order of slots."""
        return self._rows[: len(self.slots.keys)]

    def find(self, batch: Sequence[SensorReading]) -> list[int]:
        """Return the rows of all channels, reading by reading; `NO_SLOT` for unknown ones."""
        rows: list[int] = []
        layouts = self._layouts
        for reading in batch:
            layout = layouts.get(reading.source_id)
            if layout is not None and layout.channels == tuple(reading.values):
                rows += layout.rows
            else:
                slots = self.slots.find((reading.source_id, name) for name in reading.values)
                rows += self._rows_of(slots).tolist()
        return rows

    def claim(self, batch: Sequence[SensorReading]) -> list[int]:
        """Give all channels of a learning step a row; return them like `find`.

        If there are more channels than the model remembers, some have `NO_SLOT`.
        """
        rows: list[int] = []
        slots: list[int] = []
        layouts = self._layouts
        for reading in batch:
            layout = layouts.get(reading.source_id)
            if layout is None or layout.channels != tuple(reading.values):
                return self._claim_each(batch)
            rows += layout.rows
            slots += layout.slots
        self.slots.see(slots)
        return rows

    def _claim_each(self, batch: Sequence[SensorReading]) -> list[int]:
        keys = [(reading.source_id, name) for reading in batch for name in reading.values]
        num_before = len(self.slots.keys)
        slots, fresh, lost = self.slots.claim(keys)
        missing = len(self.slots.keys) - num_before
        if missing:
            self._rows = grown(self._rows, self.slots.capacity)
            self._rows[num_before : num_before + missing] = self._store.allocate(missing)
        if fresh:
            distinct = np.unique(fresh)
            self._store.clear(self._rows[distinct], distinct)
        for key in lost:
            self._layouts.pop(key[0], None)
        rows: list[int] = self._rows_of(slots).tolist()
        self._remember(batch, slots.tolist(), rows)
        return rows

    def _rows_of(self, slots: Ints) -> Ints:
        """Return the store's rows of slots (n,); `NO_SLOT` stays."""
        rows, is_known = slots.copy(), slots != NO_SLOT
        rows[is_known] = self._rows[slots[is_known]]
        return rows

    def _remember(
        self, batch: Sequence[SensorReading], slots: list[int], rows: list[int]
    ) -> None:
        start = 0
        for reading in batch:
            stop = start + len(reading.values)
            if stop > start and NO_SLOT not in slots[start:stop]:
                self._layouts[reading.source_id] = _Layout(
                    tuple(reading.values), slots[start:stop], rows[start:stop]
                )
            start = stop

    def release(self) -> None:
        """Give the rows back to the store; the index is of no use after that."""
        self._store.release(self.rows)
        self._rows = self._rows[:0]
        self._layouts.clear()
