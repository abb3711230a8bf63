"""Isolation forest over a sliding window: a reading is unusual if few cuts set it apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid, is_normal
from models.anomaly.contributions import Contributions
from models.anomaly.forest_source import ForestSource, Plan
from models.anomaly.forest_state import pack_sources, unpack_sources
from models.anomaly.results import (
    EXPLAINED_SURPRISE,
    no_judgments,
    score_of_surprise,
    source_results,
)
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slots import NO_SLOT, Slots, grown, reload_slots
from models.anomaly.source_rows import MovableSources, SourceRows
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: The raw score with the bound 3 of the surprise. Readings at the edge of what is usual score up to
#: 0.77.
_CLEAR_SCORE, _CLEAR_SURPRISE = 0.8, 3.0

_STATE_VERSION = 1


class IsolationForest(MovableSources[ForestSource], OnlineModel[SensorReading, AnomalyScore]):
    """For each source_id, a forest over the vectors of its last `window` normal readings.

    The first fit starts when `min_values` readings are learned, and then every `refit_every`. A fit
    runs in the background and is used from `delay` readings later on, whether or not it was ready
    earlier: so the same log gives the same answers. Features are the channels' values; a reading
    that lacks a channel gets its median, a new channel counts from the next fit on.

    To the trees, a value far out of the window's range is like the largest in it: the score is
    raised by how far it is. A running distribution of the source's own scores turns it into a
    surprise s (`models/anomaly/calibration.py`), at most 3 at the forest's score 0.8; score =
    s / (s + 4), and repeats are damped. While most readings are unusual, the window does not
    change; a lasting change ends that. Unusual readings have the contributions of their channels
    (`IsolationTrees.credits`).

    Memory: 8 bytes for each value of `window` readings (twice while a fit waits), and 22 bytes for
    each of `trees * (2 max_samples - 1)` nodes (561 kB with the defaults), for at most `max_keys`
    sources. Further ones are not scored until one of these has stayed away; both are counted.

    Source: Liu, Ting and Zhou, 2008, "Isolation Forest", ICDM; fitted by scikit-learn.
    """

    name, version = "isolation_forest", "1"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        trees: int = 100,
        max_samples: int = 128,
        window: int = 1024,
        min_values: int = 256,
        refit_every: int = 512,
        delay: int = 64,
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 256,
        max_channels: int = 64,
        seed: int = 1,
        learn_every: int = 8,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            trees: 1 to 1000.
            max_samples: readings that a tree is fitted on, 8 to 4096.
            window: readings that a forest is fitted on, 8 to 65536.
            min_values: readings to learn before the first fit, 8 to `window`.
            refit_every: readings from one fit to the next, more than `delay`.
            delay: readings from the start of a fit to its use, >= 1.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            max_channels: channels of a source; channels seen later are ignored.
            seed: seed of samples and splits, >= 0.
            learn_every: offsets in a learning step, >= 1.
        """
        self.window = check_option("window", window, 8, 65_536)
        self._plan = Plan(
            trees=check_option("trees", trees, 1, 1000),
            max_samples=check_option("max_samples", max_samples, 8, 4096),
            window=window,
            min_values=check_option("min_values", min_values, 8, window),
            refit_every=check_option("refit_every", refit_every, delay + 1),
            delay=check_option("delay", delay, 1),
            max_channels=check_option("max_channels", max_channels, 1, 1024),
            seed=check_option("seed", seed, 0, 2**32 - 1),
        )
        surprise = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(surprise)))
        self._calibration = Calibration(surprise, check_option("rest", rest, 0, 1_000_000))
        self.max_keys = check_option("max_keys", max_keys, 1)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self._slots = self._no_slots()
        self._sources: list[ForestSource] = []
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by its source's forest; changes nothing.

        Args:
            batch: B readings with finite values; beyond 1e30 they count as 1e30.

        Returns:
            B results in input order. `channel` is the one that contributes most.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[IsolationForest], batches: Sequence[Sequence[SensorReading]]
    ) -> list[list[AnomalyScore]]:
        """Score the readings of several models at once, each by its own sources.

        Args:
            models: M with the same options as this one.
            batches: M batches as for `predict_batch`; may be empty.

        Returns:
            M lists of results.
        """
        found = [model._raw(batch) for model, batch in zip(models, batches, strict=True)]
        for model, batch, (_, own) in zip(models, batches, found, strict=True):
            model._memo.remember(batch, own)
        raw = np.concatenate([own for _, own in found])
        judged, scored = no_judgments(len(raw)), np.flatnonzero(~np.isnan(raw))
        if len(scored):
            states = [
                model._states[slots[~np.isnan(own)]]
                for model, (slots, own) in zip(models, found, strict=True)
            ]
            parts = self._calibration.judge(
                np.concatenate(states), raw[scored], _bound(raw[scored])
            )
            for whole, part in zip(judged, parts, strict=True):
                whole[scored] = part
        readings = list(chain.from_iterable(batches))
        shares, first = Contributions(len(readings)), 0
        for model, batch, (slots, _) in zip(models, batches, found, strict=True):
            is_clear = judged.surprise[first : first + len(batch)] >= EXPLAINED_SURPRISE
            for slot, places in _places(np.where(is_clear, slots, NO_SLOT)).items():
                explained = model._sources[slot].explain([batch[i] for i in places])
                shares.put(first + np.array(places), *explained)
            first += len(batch)
        results = iter(source_results(readings, judged, self.threshold, shares))
        return [list(islice(results, len(batch))) for batch in batches]

    def _raw(self, batch: Sequence[SensorReading]) -> tuple[Ints, Floats]:
        """Return slots and forest scores (B,); NaN for a source without a forest."""
        slots = np.array(self._slots.find((r.source_id,) for r in batch), np.int64)
        raw = np.full(len(batch), np.nan)
        for slot, places in _places(slots).items():
            forest = self._sources[slot].forest
            if forest is not None:
                raw[places] = forest.scores([batch[i] for i in places])
        return slots, raw

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Learn the scores, then add the readings to the windows of sources that are normal."""
        keys = [(reading.source_id,) for reading in batch]
        taken = self._memo.take(batch)
        raw = self._raw(batch)[1] if taken is None else taken[0]
        slots, fresh, _ = self._slots.claim(keys)
        self._states = grown(self._states, self._slots.capacity)
        self._states[fresh] = 0.0
        for slot in fresh:
            self._sources[slot : slot + 1] = [ForestSource(self._plan)]
        readings: dict[int, list[SensorReading]] = defaultdict(list)
        for reading, slot in zip(batch, slots, strict=True):
            if slot != NO_SLOT:
                readings[slot].append(reading)
        scored = np.flatnonzero(~np.isnan(raw))
        rows, raw = np.array(slots, np.int64)[scored], raw[scored]
        self._calibration.learn(self._states, rows, raw, _bound(raw))
        for slot, own in readings.items():
            if is_normal(self._states[slot : slot + 1])[0]:
                self._sources[slot].learn(own)

    def take_incidents(self) -> dict[str, int]:
        """Return how many sources were forgotten and refused since the last call."""
        return self._slots.take_incidents()

    def snapshot(self) -> bytes:
        """Return windows, forests and calibration of every source; no code, no pickle."""
        slots, rows = self._slots, len(self._slots.keys)
        states, last_seen = self._states[:rows], slots.last_seen[:rows]
        return self._packed(SourceRows(slots.keys, self._sources, states, last_seen, slots.step))

    def _packed(self, rows: SourceRows[ForestSource]) -> bytes:
        names, arrays = pack_sources(rows.sources)
        names["sources"] = [key[0] for key in rows.keys]
        arrays |= {"states": rows.states, "last_seen": rows.last_seen}
        arrays["step"] = np.array([rows.step], np.int64)
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        options: dict[str, Option] = dict(self._plan._asdict())
        options |= {"rest": self._calibration.rest, "threshold": self._calibration.threshold}
        return options | {"max_keys": self.max_keys}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot; a fit that was waiting starts again.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options that
                the state depends on. The model is then unchanged.
        """
        slots = self._no_slots()
        rows = self._unpacked(state, slots, starts_fits=True)
        self._sources = list(rows.sources)
        self._slots, self._memo = slots, ScoreMemo()
        self._states = grown(rows.states, slots.capacity)

    def _rows_of(self, state: bytes) -> SourceRows[ForestSource]:
        return self._unpacked(state, self._no_slots())

    def _unpacked(
        self, state: bytes, slots: Slots[tuple[str, ...]], starts_fits: bool = False
    ) -> SourceRows[ForestSource]:
        """Return the sources of a snapshot and fill `slots`.

        Raises:
            ModelError: as `restore`.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        count = reload_slots(saved, slots, "sources")
        states = saved.array("states", self._states, count, NUM_FIELDS)
        if not are_valid(states):
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        sources = unpack_sources(saved, count, self._plan, starts_fits)
        return SourceRows(slots.keys, sources, states, slots.last_seen[:count], slots.step)


def _places(slots: Ints) -> dict[int, list[int]]:
    """Return the places of each slot in slots (n,)."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, slot in enumerate(slots.tolist()):
        if slot != NO_SLOT:
            places[slot].append(place)
    return places


def _bound(raw: Floats) -> Floats:
    """Return the largest surprise (n,) of forest scores (n,) for any source."""
    return _CLEAR_SURPRISE * raw / _CLEAR_SCORE
