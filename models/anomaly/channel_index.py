"""Finds the rows in a store that belong to the channels of one model's sources."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, Protocol, TypeAlias

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


_FIRST_CAPACITY = 16
#: Combinations of channels that are held as one object each.
_MAX_LAYOUTS = 4096

_Layout: TypeAlias = tuple[tuple[str, ...], tuple[int, ...]]
"""The channels of a source's last learned reading, in its order, and their slots.

Plain tuples, so that the garbage collector does not scan those of ten thousand sources.
"""


class Located(NamedTuple):
    """Where the channels of some readings are, reading by reading, (sum of channels,) each."""

    slots: Ints
    """`NO_SLOT` for unknown channels."""
    rows: Ints
    """Of the store; `NO_SLOT` for unknown channels."""


class ChannelIndex:
    """One model's channels: slots by (source_id, channel), and the store's row of each slot.

    Most readings of a source have the same channels as the one before. Their rows are remembered,
    so that such a reading costs one look-up and not one for each channel.
    """

    def __init__(self, slots: Slots[Key], store: RowStore) -> None:
        self.slots = slots
        self._store = store
        self._num_rows = 0
        self._table: Ints = np.full(_FIRST_CAPACITY, NO_SLOT)
        """(capacity,) the store's row of each slot, then `NO_SLOT`, which has the index -1."""
        self._allocate()
        self._layouts: dict[str, _Layout] = {}
        self._channels: dict[tuple[str, ...], tuple[str, ...]] = {}
        """One object for equal channels: it stays in the cache, those of each source would not."""

    @property
    def rows(self) -> Ints:
        """(slots,) the store's row of each slot."""
        return self._table[: self._num_rows]

    def find(self, batch: Sequence[SensorReading]) -> list[int]:
        """Return the rows of all channels, reading by reading; `NO_SLOT` for unknown ones."""
        rows: list[int] = self.locate(batch).rows.tolist()
        return rows

    def locate(self, batch: Sequence[SensorReading]) -> Located:
        """Return slots and rows of all channels."""
        slots = self._remembered(batch)
        if slots is None:
            slots = []
            for reading in batch:
                source, channels = reading.source_id, tuple(reading.values)
                layout = self._layouts.get(source)
                if layout is not None and layout[0] == channels:
                    slots += layout[1]
                else:
                    slots += self.slots.find((source, channel) for channel in channels)
        found = np.array(slots, np.int64)
        return Located(found, self._table[found])

    def _remembered(self, batch: Sequence[SensorReading]) -> list[int] | None:
        """Return the slots of all channels if each reading has its source's remembered ones."""
        # Each step for all readings at once: no line of Python for each of them.
        layouts = list(map(self._layouts.get, [reading.source_id for reading in batch]))
        try:
            channels, slots = zip(*layouts, strict=True) if layouts else ((), ())
        except TypeError:  # some source has none
            return None
        if tuple(map(tuple, [reading.values for reading in batch])) != channels:
            return None
        return list(chain.from_iterable(slots))

    def claim(self, batch: Sequence[SensorReading]) -> list[int]:
        """Give all channels of a learning step a row; return them like `find`.

        If there are more channels than the model remembers, some have `NO_SLOT`.
        """
        slots = self._remembered(batch)
        located = None if slots is None else Located(np.array(slots, np.int64), self._table[slots])
        rows: list[int] = self.claim_located(batch, located).tolist()
        return rows

    def claim_located(self, batch: Sequence[SensorReading], located: Located | None) -> Ints:
        """Do what `claim` does for readings that were located after the last claim, or not."""
        if located is None or (located.slots == NO_SLOT).any():
            return self._claim_each(batch)
        self.slots.see(located.slots)
        return located.rows

    def _claim_each(self, batch: Sequence[SensorReading]) -> Ints:
        keys = [(reading.source_id, channel) for reading in batch for channel in reading.values]
        claim = self.slots.claim(keys)
        self._allocate()
        fresh = np.array(list(dict.fromkeys(claim.fresh)), np.int64)
        self._store.clear(self.rows[fresh], fresh)
        for source, _ in claim.lost:
            self._layouts.pop(source, None)
        self._remember(batch, claim.rows)
        return self._table[claim.rows]

    def _allocate(self) -> None:
        """Give new slots their rows."""
        first, self._num_rows = self._num_rows, len(self.slots.keys)
        if self._num_rows >= len(self._table):
            longer = np.full(2 * self._num_rows, NO_SLOT)
            longer[:first] = self._table[:first]
            self._table = longer
        if self._num_rows > first:
            self._table[first : self._num_rows] = self._store.allocate(self._num_rows - first)

    def follow(self, fresh: Ints) -> None:
        """Give the slots that were added to `slots` their rows; empty those of `fresh` slots."""
        self._allocate()
        self._store.clear(self.rows[fresh], fresh)
        self._layouts.clear()

    def _remember(self, batch: Sequence[SensorReading], slots: list[int]) -> None:
        start = 0
        for reading in batch:
            stop = start + len(reading.values)
            if stop > start and NO_SLOT not in slots[start:stop]:
                channels = tuple(reading.values)
                if len(self._channels) > _MAX_LAYOUTS:
                    self._channels.clear()
                channels = self._channels.setdefault(channels, channels)
                self._layouts[reading.source_id] = channels, tuple(slots[start:stop])
            start = stop

    def release(self) -> None:
        """Give the rows back to the store; the index is of no use after that."""
        self._store.release(self.rows.tolist())
        self._num_rows = 0
        self._layouts.clear()
