"""The state of `half_space_trees`: its sources, and how they are saved and restored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid
from models.anomaly.recent import Recent
from models.anomaly.recent_state import pack_latest, pack_recent, unpack_latest, unpack_recent
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slot_changes import (
    Format,
    Marks,
    changed_since,
    pack_changes,
    replay_slots,
    unpack_changes,
)
from models.anomaly.slots import Slots, grown, reload_slots
from models.anomaly.tree_scores import Masses
from models.anomaly.trees import num_nodes
from models.base import ModelError, OnlineModel
from models.keyed_state import merge_last_seen, most_recent, require_distinct
from models.snapshots import Option, Snapshot, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATE_VERSION = 2


class TreesState(OnlineModel[SensorReading, AnomalyScore]):
    """What `half_space_trees` remembers: recent readings, counts and calibration of its sources."""

    trees: int
    depth: int
    window: int
    features_per_tree: int
    rest: int
    max_channels: int
    seed: int
    max_keys: int
    _calibration: Calibration

    def _start(self) -> None:
        """Begin without sources; the options are set."""
        self._slots = self._no_slots()
        self._sources: list[Recent] = []
        self._masses: Masses = np.zeros((0, self.trees, num_nodes(self.depth)), np.uint16)
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()
        self._marks = Marks()

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    def take_incidents(self) -> dict[str, int]:
        """Return how many sources were forgotten and refused since the last call."""
        return self._slots.take_incidents()

    def snapshot(self) -> bytes:
        """Return the readings and counts of every source; the options determine the trees."""
        slots, rows = self._slots, len(self._slots.keys)
        self._marks.keep(slots.step, self._totals())
        return self._packed(
            [key[0] for key in slots.keys],
            self._sources,
            self._masses[:rows],
            self._states[:rows],
            slots.last_seen[:rows],
            slots.step,
        )

    def _totals(self) -> Ints:
        return np.array([source.total for source in self._sources], np.int64)

    def mark(self) -> int:
        """Return the number of the present state: of the sightings of sources so far."""
        return self._slots.step

    def snapshot_changes(self, since: int) -> bytes | None:
        """Return the sources that have changed: their new readings, and counts that were made anew.

        Args:
            since: the `mark` of an earlier snapshot; one that is not known any more gives None.
        """
        if since not in self._marks:
            return None
        changed = changed_since(self._slots, since)
        rows, before = changed.rows, self._marks.totals_at(since, changed)
        sources = [self._sources[row] for row in rows.tolist()]
        names, arrays = pack_latest(sources, before)
        is_counted = np.array([s.referenced_at for s in sources], np.int64) > before
        is_counted |= changed.is_fresh
        arrays |= {"is_counted": is_counted, "masses": self._masses[rows[is_counted]]}
        arrays["states"] = self._states[rows]
        self._marks.keep(self._slots.step, self._totals(), since)
        return pack_changes(self._format(), self._slots, since, changed, arrays, names)

    def restore_changes(self, changes: bytes) -> None:
        """Apply what `snapshot_changes` returned to the state that it is relative to.

        Raises:
            ModelError: damaged, of other options, or relative to another state. The model must
                not be used then.
        """
        saved, changed = unpack_changes(changes, self._format(), self._slots)
        rows, count = changed.rows, len(changed.rows)
        fresh = set(rows[changed.is_fresh].tolist())
        present = [None if row in fresh else self._sources[row] for row in rows.tolist()]
        sources = unpack_latest(saved, present, self.window, self.max_channels)
        is_counted = saved.array("is_counted", np.zeros(0, np.bool_), count)
        shape = int(is_counted.sum()), *self._masses.shape[1:]
        masses = saved.array("masses", self._masses, *shape)
        states = self._saved_states(saved, count)
        replay_slots(saved, self._format(), self._slots, changed)
        self._masses = grown(self._masses, self._slots.capacity)
        self._states = grown(self._states, self._slots.capacity)
        for row, source in zip(rows.tolist(), sources, strict=True):
            self._sources[row : row + 1] = [source]
        self._masses[rows[is_counted]], self._states[rows] = masses, states
        self._memo = ScoreMemo()
        self._marks.keep(self._slots.step, self._totals())

    def _saved_states(self, saved: Snapshot, count: int) -> Floats:
        """Return the calibration states of `count` sources.

        Raises:
            ModelError: they are damaged.
        """
        states = saved.array("states", self._states, count, NUM_FIELDS)
        if not are_valid(states):
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        return states

    def _format(self) -> Format:
        return Format(self.name, _STATE_VERSION, self._options(), ("sources",))

    def _packed(
        self,
        source_ids: list[str],
        sources: Sequence[Recent],
        masses: Masses,
        states: Floats,
        last_seen: Ints,
        step: int,
    ) -> bytes:
        names, arrays = pack_recent(sources)
        names["sources"] = source_ids
        arrays |= {"masses": masses, "states": states, "last_seen": last_seen}
        arrays["step"] = np.array([step], np.int64)
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        names = ["trees", "depth", "window", "features_per_tree", "max_channels", "seed"]
        names += ["rest", "max_keys"]
        options: dict[str, Option] = {name: getattr(self, name) for name in names}
        return options | {"threshold": self._calibration.threshold}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options that
                the state depends on. The model is then unchanged.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        slots = self._no_slots()
        rows = reload_slots(saved, slots, "sources")
        sources = unpack_recent(saved, rows, self.window, self.max_channels)
        masses = saved.array("masses", self._masses, rows, *self._masses.shape[1:])
        states = self._saved_states(saved, rows)
        self._slots, self._sources, self._memo = slots, sources, ScoreMemo()
        self._masses = grown(masses, slots.capacity)
        self._states = grown(states, slots.capacity)
        self._marks.keep(slots.step, self._totals())

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how many readings of each source a snapshot's model has learned."""
        saved = self._restored(state)
        ids = [key[0] for key in saved._slots.keys]
        return {name: source.total for name, source in zip(ids, saved._sources, strict=True)}

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these of its sources."""
        saved = self._restored(state)
        ids = [key[0] for key in saved._slots.keys]
        rows = [row for row, source_id in enumerate(ids) if source_id in source_ids]
        return self._packed(
            [ids[row] for row in rows],
            [saved._sources[row] for row in rows],
            saved._masses[rows],
            saved._states[rows],
            saved._slots.last_seen[rows],
            saved._slots.step,
        )

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the sources of all; beyond `max_keys`, the latest seen."""
        parts = [self._restored(state) for state in states]
        keys = [key for part in parts for key in part._slots.keys]
        require_distinct(self.name, keys)
        seen = [(p._slots.last_seen[: len(p._slots.keys)], p._slots.step) for p in parts]
        last_seen, step = merge_last_seen(seen)
        rows = most_recent(last_seen, self._slots.max_keys)
        sources = [source for part in parts for source in part._sources]
        masses = np.concatenate([p._masses[: len(p._slots.keys)] for p in [self._empty(), *parts]])
        calibrated = np.concatenate(
            [p._states[: len(p._slots.keys)] for p in [self._empty(), *parts]]
        )
        return self._packed(
            [keys[row][0] for row in rows.tolist()],
            [sources[row] for row in rows.tolist()],
            masses[rows],
            calibrated[rows],
            last_seen[rows],
            step,
        )

    def _empty(self) -> Self:
        """Return an instance with the same options that has learned nothing."""
        empty = copy(self)
        empty._slots, empty._sources = self._no_slots(), []
        empty._marks, empty._memo = Marks(), ScoreMemo()
        empty._masses, empty._states = self._masses[:0], self._states[:0]
        return empty

    def _restored(self, state: bytes) -> Self:
        restored = self._empty()
        restored.restore(state)
        return restored
