"""What detectors with separate state for each source share: sources, calibration, results."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import (
    NUM_FIELDS,
    Calibration,
    are_learnable,
    are_valid,
    is_normal,
)
from models.anomaly.contributions import Contributions
from models.anomaly.results import no_judgments, score_of_surprise, source_results
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slots import NO_SLOT, Slots, grown, reload_slots
from models.anomaly.source_rows import MovableSources, SourceRows
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, Snapshot, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]


class Scored(NamedTuple):
    """What a source says of n readings."""

    raw: Floats
    """(n,) >= 0; higher is more unusual."""
    parts: Floats
    """(n, channels) >= 0: what each channel adds to the raw score, in any unit."""
    channels: list[str]


class Source(Protocol):
    """The state of one source."""

    @property
    def total(self) -> int:
        """Readings learned so far."""
        ...

    def score(self, readings: Sequence[SensorReading]) -> Scored | None:
        """Score each reading as if it came next; None before there is enough to compare with."""
        ...

    def learn(self, readings: Sequence[SensorReading], is_usual: Bools) -> None:
        """Learn readings in order; those that are not usual (n,) are only remembered."""
        ...


S = TypeVar("S", bound=Source)


class SourceModel(MovableSources[S], OnlineModel[SensorReading, AnomalyScore], Generic[S]):
    """A detector whose state is separate for each source_id.

    A subclass makes, scores and saves its sources. This class assigns sources to keys, at most
    `max_keys` (further ones are not scored until one of these has stayed away; both are counted).
    It calibrates the raw scores (`models/anomaly/calibration.py`) to a surprise s, score =
    s / (s + 4), and keeps faults from being learned: a reading is learned if its probability is
    above 0.05 and its source is not in a fault. A lasting change ends that.
    """

    event_type, result_type = SensorReading, AnomalyScore
    _state_version = 1
    _remembers = True
    """False where the last bit of a raw score depends on the batch: a learning step then scores
    its readings again, always as the same batch."""
    unit_surprise = 1.5
    """The largest surprise, of any source, of the raw score 1; it grows in proportion."""

    def _set_options(self, threshold: float, rest: int, max_keys: int, learn_every: int) -> None:
        surprise = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(surprise)))
        self._calibration = Calibration(surprise, check_option("rest", rest, 0, 1_000_000))
        self.max_keys = check_option("max_keys", max_keys, 1)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self._slots = self._no_slots()
        self._sources: list[S] = []
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    @abstractmethod
    def _new_source(self) -> S:
        """Return a source that has learned nothing."""

    @abstractmethod
    def _plan_options(self) -> dict[str, Option]:
        """Return the options that the state of a source depends on."""

    @abstractmethod
    def _pack_sources(self, sources: Sequence[S]) -> tuple[dict[str, list[str]], Arrays]:
        """Return the lists and arrays of a snapshot."""

    @abstractmethod
    def _unpack_sources(self, saved: Snapshot, count: int) -> list[S]:
        """Return the sources of a snapshot; raises ModelError if it is damaged."""

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by what was learned of its source before; changes nothing.

        Args:
            batch: B readings with finite values; beyond 1e30 they count as 1e30. No reading sees
                another one of its learning step.

        Returns:
            B results in input order. `channel` is the one that contributes most.
        """
        slots, raw, parts = self._scored(batch)
        if self._remembers:
            self._memo.remember(batch, raw)
        judged, scored = no_judgments(len(batch)), np.flatnonzero(~np.isnan(raw))
        if len(scored):
            states = self._states[slots[scored]]
            found = self._calibration.judge(states, raw[scored], self._bound(raw[scored]))
            for whole, part in zip(judged, found, strict=True):
                whole[scored] = part
        return source_results(batch, judged, self.threshold, parts)

    def _bound(self, raw: Floats) -> Floats:
        return self.unit_surprise * raw

    def _scored(self, batch: Sequence[SensorReading]) -> tuple[Ints, Floats, Contributions]:
        """Return slots and raw scores (B,), NaN for a source that is not ready, and shares."""
        slots = np.array(self._slots.find((r.source_id,) for r in batch), np.int64)
        raw, parts = np.full(len(batch), np.nan), Contributions(len(batch))
        for slot in np.unique(slots[slots != NO_SLOT]).tolist():
            at = np.flatnonzero(slots == slot)
            scored = self._sources[slot].score([batch[i] for i in at.tolist()])
            if scored is not None:
                raw[at] = scored.raw
                parts.put(at, scored.parts, scored.channels)
        return slots, raw, parts

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Learn the scores, then the readings of each source in order."""
        keys = [(reading.source_id,) for reading in batch]
        taken = self._memo.take(batch)
        raw = self._scored(batch)[1] if taken is None else taken[0]
        slots, fresh, _ = self._slots.claim(keys)
        self._states = grown(self._states, self._slots.capacity)
        self._states[fresh] = 0.0
        for slot in fresh:
            self._sources[slot : slot + 1] = [self._new_source()]
        rows = np.array(slots, np.int64)
        is_usual = self._learn_scores(rows, raw)
        places: dict[int, list[int]] = defaultdict(list)
        for place, slot in enumerate(slots):
            if slot != NO_SLOT:
                places[slot].append(place)
        self._learn_sources(
            [
                (self._sources[slot], [batch[i] for i in at], is_usual[at])
                for slot, at in places.items()
            ]
        )

    def _learn_sources(self, steps: Sequence[tuple[S, list[SensorReading], Bools]]) -> None:
        for source, readings, is_usual in steps:
            source.learn(readings, is_usual)

    def _learn_scores(self, rows: Ints, raw: Floats) -> Bools:
        """Learn the raw scores (n,) of the sources in `rows`; return which readings are usual."""
        is_usual = np.ones(len(rows), np.bool_)
        at = np.flatnonzero(~np.isnan(raw) & (rows != NO_SLOT))
        if len(at):
            scored, bound = raw[at], self._bound(raw[at])
            judged = self._calibration.judge(self._states[rows[at]], scored, bound)
            self._calibration.learn(self._states, rows[at], scored, bound)
            after = self._states[rows[at]]
            is_usual[at] = is_normal(after) & are_learnable(after, judged.surprise)
        return is_usual

    def take_incidents(self) -> dict[str, int]:
        """Return how many sources were forgotten and refused since the last call."""
        return self._slots.take_incidents()

    def snapshot(self) -> bytes:
        """Return the state and calibration of every source as arrays; no code, no pickle."""
        slots, rows = self._slots, len(self._slots.keys)
        states, last_seen = self._states[:rows], slots.last_seen[:rows]
        return self._packed(SourceRows(slots.keys, self._sources, states, last_seen, slots.step))

    def _packed(self, rows: SourceRows[S]) -> bytes:
        names, arrays = self._pack_sources(rows.sources)
        names["sources"] = [key[0] for key in rows.keys]
        arrays |= {"states": rows.states, "last_seen": rows.last_seen}
        arrays["step"] = np.array([rows.step], np.int64)
        return pack(self.name, self._state_version, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        options: dict[str, Option] = {"rest": self._calibration.rest, "max_keys": self.max_keys}
        return options | {"threshold": self._calibration.threshold} | self._plan_options()

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options that
                the state depends on. The model is then unchanged.
        """
        slots = self._no_slots()
        rows = self._unpacked(state, slots)
        self._sources = list(rows.sources)
        self._slots, self._memo = slots, ScoreMemo()
        self._states = grown(rows.states, slots.capacity)

    def _rows_of(self, state: bytes) -> SourceRows[S]:
        return self._unpacked(state, self._no_slots())

    def _unpacked(self, state: bytes, slots: Slots[tuple[str, ...]]) -> SourceRows[S]:
        """Return the sources of a snapshot and fill `slots`.

        Raises:
            ModelError: as `restore`.
        """
        saved = unpack(state, self.name, self._state_version, self._options())
        count = reload_slots(saved, slots, "sources")
        states = saved.array("states", self._states, count, NUM_FIELDS)
        if not are_valid(states):
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        sources = self._unpack_sources(saved, count)
        return SourceRows(slots.keys, sources, states, slots.last_seen[:count], slots.step)
