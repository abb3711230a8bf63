"""The state of `robust_zscore`: its channels, and how they are saved and restored."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid
from models.anomaly.channel_index import ChannelIndex
from models.anomaly.channel_store import ChannelStore, Statistics
from models.anomaly.row_state import merge_rows, select_rows_of, values_of_sources
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slot_changes import (
    Format,
    Marks,
    changed_since,
    pack_changes,
    replay_slots,
    unpack_changes,
)
from models.anomaly.slots import Slots, reload_slots
from models.base import ModelError, OnlineModel
from models.snapshots import Option, Snapshot, encode, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]

_STATE_VERSION = 3


class ZScoreState(OnlineModel[SensorReading, AnomalyScore]):
    """What `robust_zscore` remembers: windows, statistics and calibration of its channels."""

    window: int
    min_values: int
    rest: int
    max_keys: int
    _calibration: Calibration

    def _start(self) -> None:
        """Begin without channels; the options are set."""
        self._store = ChannelStore(self.window)
        self._index = ChannelIndex(self._no_slots(), self._store)
        self._marks = Marks()
        self._memo = ScoreMemo()

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"channels of {self.name}")

    def take_incidents(self) -> dict[str, int]:
        """Return how many channels were forgotten and refused since the last call."""
        return self._index.slots.take_incidents()

    def close(self) -> None:
        """Give the rows back to the store."""
        self._index.release()

    def snapshot(self) -> bytes:
        """Return the windows of all channels with their statistics."""
        slots, rows, store = self._index.slots, self._index.rows, self._store
        keys = slots.keys
        names = {"sources": [key[0] for key in keys], "channels": [key[1] for key in keys]}
        arrays = {
            "values": store.windows.values_of(rows),
            "totals": store.windows.totals[rows],
            "medians": store.medians[rows],
            "spreads": store.spreads[rows],
            "refreshed": store.refreshed[rows],
            "states": store.states[rows],
            "last_seen": slots.last_seen[: len(keys)],
            "step": np.array([slots.step], np.int64),
        }
        self._marks.keep(slots.step, store.windows.totals[rows])
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def mark(self) -> int:
        """Return the number of the present state: of the sightings of channels so far."""
        return self._index.slots.step

    def snapshot_changes(self, since: int) -> bytes | None:
        """Return the channels that have changed, with the values that came since.

        Args:
            since: the `mark` of an earlier snapshot; one that is not known any more gives None.
        """
        if since not in self._marks:
            return None
        slots, all_rows, store = self._index.slots, self._index.rows, self._store
        changed = changed_since(slots, since)
        rows = all_rows[changed.rows]
        totals = store.windows.totals[rows]
        counts = np.minimum(totals - self._marks.totals_at(since, changed), self.window)
        arrays = {
            "counts": counts,
            "values": store.windows.latest(rows, counts),
            "totals": totals,
            "medians": store.medians[rows],
            "spreads": store.spreads[rows],
            "refreshed": store.refreshed[rows],
            "states": store.states[rows],
        }
        self._marks.keep(slots.step, store.windows.totals[all_rows], since)
        return pack_changes(self._format(), slots, since, changed, arrays)

    def _format(self) -> Format:
        return Format(self.name, _STATE_VERSION, self._options(), ("sources", "channels"))

    def _options(self) -> dict[str, Option]:
        names = ("window", "min_values", "rest", "max_keys")
        options: dict[str, Option] = {name: getattr(self, name) for name in names}
        return options | {"threshold": self._calibration.threshold}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options that
                the state depends on. The model is then unchanged.
        """
        saved = self._unpacked(state)
        slots = self._no_slots()
        count = reload_slots(saved, slots, "sources", "channels")
        floats, ints = np.zeros(0), np.zeros(0, np.int64)
        totals = saved.array("totals", ints, count)
        if (totals < 1).any():
            raise ModelError(f"the totals in the snapshot of {self.name} are out of range")
        values = saved.array("values", floats, int(np.minimum(totals, self.window).sum()))
        statistics = self._statistics(saved, count, values)
        self._index.release()
        store, self._index = self._store, ChannelIndex(slots, self._store)
        rows = self._index.rows
        store.clear(rows, np.arange(count))
        self._memo = ScoreMemo()
        store.windows.fill(rows, totals, values)
        store.set_statistics(rows, statistics)
        self._marks.keep(slots.step, totals)

    def restore_changes(self, changes: bytes) -> None:
        """Apply what `snapshot_changes` returned to the state that it is relative to.

        Raises:
            ModelError: damaged, of other options, or relative to another state. The model must
                not be used then.
        """
        slots, store = self._index.slots, self._store
        saved, changed = unpack_changes(changes, self._format(), slots)
        count, ints = len(changed.rows), np.zeros(0, np.int64)
        totals, counts = saved.array("totals", ints, count), saved.array("counts", ints, count)
        if (counts < 0).any() or (counts > np.minimum(totals, self.window)).any():
            raise ModelError(f"the totals in the changes of {self.name} are out of range")
        values = saved.array("values", np.zeros(0), int(counts.sum()))
        statistics = self._statistics(saved, count, values)
        replay_slots(saved, self._format(), slots, changed)
        self._index.follow(changed.rows[changed.is_fresh])
        rows = self._index.rows[changed.rows]
        self._memo = ScoreMemo()
        store.windows.replay(rows, totals, counts, values)
        store.set_statistics(rows, statistics)
        self._marks.keep(slots.step, store.windows.totals[self._index.rows])

    def _statistics(self, saved: Snapshot, count: int, values: Floats) -> Statistics:
        """Return the saved statistics of `count` channels, and check them and the values.

        Raises:
            ModelError: a number is out of range.
        """
        floats = np.zeros(0)
        statistics = Statistics(
            saved.array("medians", floats, count),
            saved.array("spreads", floats, count),
            saved.array("refreshed", np.zeros(0, np.int64), count),
            saved.array("states", floats, count, NUM_FIELDS),
        )
        if not (
            np.isfinite(values).all()
            and np.isfinite(statistics.medians).all()
            and (statistics.spreads > 0).all()
            and are_valid(statistics.states)
        ):
            raise ModelError(f"the statistics in the snapshot of {self.name} are out of range")
        return statistics

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how many values of each source a snapshot's model has learned."""
        return values_of_sources(self._unpacked(state))

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these of its sources."""
        return encode(select_rows_of(self._unpacked(state), source_ids, self.window))

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the sources of all; beyond `max_keys`, the latest seen."""
        parts = [self._unpacked(state) for state in states]
        return encode(merge_rows(parts, self.max_keys, self.window))

    def _unpacked(self, state: bytes) -> Snapshot:
        return unpack(state, self.name, _STATE_VERSION, self._options())
