"""Finds the rows in a store that belong to the channels of one model's sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.anomaly.slots import NO_SLOT, Slots
from schemas import SensorReading

Ints = NDArray[np.int64]

Key: TypeAlias = tuple[str, ...]
"""(source_id, channel)."""


class RowStore(Protocol):
    """Arrays with a row for each channel, such as a `ChannelStore` or a `LevelStore`."""

    def allocate(self, count: int) -> list[int]:
        """Return `count` rows to use."""
        ...

    def clear(self, rows: Ints, phases: Ints) -> None:
        """Empty rows before their first value; `phases` are their slots."""
        ...

    def release(self, rows: list[int]) -> None:
        """Take rows back."""
        ...


_Layout: TypeAlias = tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]
"""The channels of a source's last learned reading, in its order; their slots; their rows.

Plain tuples, so that the garbage collector does not scan those of ten thousand sources.
"""


class ChannelIndex:
    """One model's channels: slots by (source_id, channel), and the store's row of each slot.

    Most readings of a source have the same channels as the one before. Their rows are remembered,
    so that such a reading costs one look-up and not one for each channel.
    """

    def __init__(self, slots: Slots[Key], store: RowStore) -> None:
        self.slots = slots
        self._store = store
        self._rows: list[int] = store.allocate(len(slots.keys))
        self._layouts: dict[str, _Layout] = {}

    @property
    def rows(self) -> Ints:
        """(slots,) the store's row of each slot."""
        return np.array(self._rows, np.int64)

    def find(self, batch: Sequence[SensorReading]) -> list[int]:
        """Return the rows of all channels, reading by reading; `NO_SLOT` for unknown ones."""
        rows: list[int] = []
        for reading in batch:
            source, channels = reading.source_id, tuple(reading.values)
            layout = self._layouts.get(source)
            if layout is not None and layout[0] == channels:
                rows += layout[2]
            else:
                slots = self.slots.find((source, channel) for channel in channels)
                rows += self._rows_of(slots)
        return rows

    def claim(self, batch: Sequence[SensorReading]) -> list[int]:
        """Give all channels of a learning step a row; return them like `find`.

        If there are more channels than the model remembers, some have `NO_SLOT`.
        """
        rows: list[int] = []
        slots: list[int] = []
        for reading in batch:
            layout = self._layouts.get(reading.source_id)
            if layout is None or layout[0] != tuple(reading.values):
                return self._claim_each(batch)
            slots += layout[1]
            rows += layout[2]
        self.slots.see(slots)
        return rows

    def _claim_each(self, batch: Sequence[SensorReading]) -> list[int]:
        keys = [(reading.source_id, channel) for reading in batch for channel in reading.values]
        claim = self.slots.claim(keys)
        self._rows += self._store.allocate(len(self.slots.keys) - len(self._rows))
        fresh = list(dict.fromkeys(claim.fresh))
        self._store.clear(np.array(self._rows_of(fresh), np.int64), np.array(fresh, np.int64))
        for source, _ in claim.lost:
            self._layouts.pop(source, None)
        rows = self._rows_of(claim.rows)
        self._remember(batch, claim.rows, rows)
        return rows

    def follow(self, fresh: Ints) -> None:
        """Give the slots that were added to `slots` their rows; empty those of `fresh` slots."""
        self._rows += self._store.allocate(len(self.slots.keys) - len(self._rows))
        self._store.clear(self.rows[fresh], fresh)
        self._layouts.clear()

    def _rows_of(self, slots: Sequence[int]) -> list[int]:
        return [NO_SLOT if slot == NO_SLOT else self._rows[slot] for slot in slots]

    def _remember(self, batch: Sequence[SensorReading], slots: list[int], rows: list[int]) -> None:
        start = 0
        for reading in batch:
            stop = start + len(reading.values)
            if stop > start and NO_SLOT not in slots[start:stop]:
                self._layouts[reading.source_id] = (
                    tuple(reading.values),
                    tuple(slots[start:stop]),
                    tuple(rows[start:stop]),
                )
            start = stop

    def release(self) -> None:
        """Give the rows back to the store; the index is of no use after that."""
        self._store.release(self._rows)
        self._rows = []
        self._layouts.clear()
