"""The state of `anomaly_ensemble`: its members, how they are saved, restored and moved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid
from models.anomaly.members import Member, make_members, member_id
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slots import Slots, grown, reload_slots
from models.base import ModelError, OnlineModel
from models.keyed_state import KeyedState, merge_last_seen, most_recent, require_distinct
from models.snapshots import Option, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATE_VERSION = 1


class _Saved(NamedTuple):
    """What a snapshot contains."""

    keys: Sequence[tuple[str, ...]]
    states: Floats
    """(sources, NUM_FIELDS) the ensemble's own calibration."""
    last_seen: Ints
    """(sources,)"""
    step: int
    members: list[bytes]
    """The snapshot of each member."""


class EnsembleState(OnlineModel[SensorReading, AnomalyScore]):
    """What `anomaly_ensemble` remembers: the members, and the calibration of its sources.

    A source moves with what each member has learned of it. Members that can't be taken apart by
    source (`KeyedState`) can't move.
    """

    combine: str
    max_keys: int
    _calibration: Calibration
    _member_options: list[str | Mapping[str, Any]]

    def _start(self) -> None:
        """Begin without sources; the options are set."""
        self._members = self._new_members()
        self._slots = self._no_slots()
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()

    def _new_members(self) -> list[Member]:
        return make_members(self._member_options, self.learn_every, self.name)

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    def take_incidents(self) -> dict[str, int]:
        """Return what the ensemble and each member lost or refused since the last call."""
        incidents = self._slots.take_incidents()
        for number, member in enumerate(self._members):
            for kind, count in member.take_incidents().items():
                incidents[f"{kind}_of_{member_id(self._members, number)}"] = count
        return incidents

    def snapshot(self) -> bytes:
        """Return the snapshots of all members, and the calibration of every source."""
        slots, rows = self._slots, len(self._slots.keys)
        members = [member.snapshot() for member in self._members]
        states, last_seen = self._states[:rows], slots.last_seen[:rows]
        return self._packed(_Saved(slots.keys, states, last_seen, slots.step, members))

    def _packed(self, saved: _Saved) -> bytes:
        members = [np.frombuffer(each, np.uint8) for each in saved.members]
        arrays: dict[str, NDArray[Any]] = {f"member {i}": each for i, each in enumerate(members)}
        arrays |= {
            "sizes": np.array([len(each) for each in members], np.int64),
            "states": saved.states,
            "last_seen": saved.last_seen,
            "step": np.array([saved.step], np.int64),
        }
        names = {"sources": [key[0] for key in saved.keys]}
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        return {
            "members": [f"{member.name} {member.version}" for member in self._members],
            "combine": self.combine,
            "max_keys": self.max_keys,
            "rest": self._calibration.rest,
            "threshold": self._calibration.threshold,
        }

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other members or options
                that the state depends on. The model is then unchanged.
        """
        slots = self._no_slots()
        saved = self._unpacked(state, slots)
        fresh = self._new_members()
        try:
            for member, old, own in zip(fresh, self._members, saved.members, strict=True):
                member.load()
                join_each([member], [old])
                member.restore(own)
        except BaseException:
            for member in fresh:
                member.close()
            raise
        self.close()
        self._members, self._slots = fresh, slots
        self._states = grown(saved.states, slots.capacity)
        self._memo = ScoreMemo()

    def _unpacked(self, state: bytes, slots: Slots[tuple[str, ...]]) -> _Saved:
        """Return what a snapshot contains and fill `slots`.

        Raises:
            ModelError: it is damaged, or made with other members or options.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        count = reload_slots(saved, slots, "sources")
        states = saved.array("states", self._states, count, NUM_FIELDS)
        if not are_valid(states):
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        sizes = saved.array("sizes", np.zeros(0, np.int64), len(self._members)).tolist()
        members = [
            saved.array(f"member {i}", np.zeros(0, np.uint8), max(size, 0)).tobytes()
            for i, size in enumerate(sizes)
        ]
        return _Saved(slots.keys, states, slots.last_seen[:count], slots.step, members)

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how much the member that learned most has learned of each source."""
        saved = self._unpacked(state, self._no_slots())
        values = {key[0]: 0 for key in saved.keys}
        for member, own in zip(self._movable(), saved.members, strict=True):
            for source_id, count in member.learned_values(own).items():
                values[source_id] = max(values.get(source_id, 0), count)
        return values

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these sources, in the ensemble and in each member."""
        saved = self._unpacked(state, self._no_slots())
        rows = [row for row, key in enumerate(saved.keys) if key[0] in source_ids]
        members = [
            member.select_sources(own, source_ids)
            for member, own in zip(self._movable(), saved.members, strict=True)
        ]
        keys = [saved.keys[row] for row in rows]
        chosen = saved.states[rows], saved.last_seen[rows]
        return self._packed(_Saved(keys, *chosen, saved.step, members))

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the sources of all; beyond a `max_keys`, the latest seen.

        The ensemble and each member leave out sources by their own limit.
        """
        parts = [self._unpacked(state, self._no_slots()) for state in states]
        keys = [key for part in parts for key in part.keys]
        require_distinct(self.name, keys)
        last_seen, step = merge_last_seen([(part.last_seen, part.step) for part in parts])
        rows = most_recent(last_seen, self.max_keys)
        calibrated = np.concatenate([self._states[:0], *(part.states for part in parts)])
        members = [
            member.merge_sources([part.members[number] for part in parts])
            for number, member in enumerate(self._movable())
        ]
        kept = [keys[row] for row in rows.tolist()]
        return self._packed(_Saved(kept, calibrated[rows], last_seen[rows], step, members))

    def _movable(self) -> Sequence[KeyedState]:
        """Return the members, each of which can be taken apart by source.

        Raises:
            ModelError: one can't.
        """
        movable = [member for member in self._members if isinstance(member, KeyedState)]
        for member in self._members:
            if not isinstance(member, KeyedState):
                raise ModelError(
                    f"{self.name}: its member {member.name} learns one state from all sources of a "
                    "partition, so sources can't move: let the models of new partitions start fresh"
                )
        return movable


def join_each(members: Sequence[Member], others: Sequence[Member]) -> None:
    """Join each member with that of another ensemble, if it can be joined."""
    for member, other in zip(members, others, strict=True):
        if hasattr(member, "join"):
            member.join(other)
