"""Half-space trees: a reading is unusual if few others are in its part of space."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid
from models.anomaly.recent import Recent, learn_steps, points_of
from models.anomaly.recent_state import pack_latest, pack_recent, unpack_latest, unpack_recent
from models.anomaly.results import no_judgments, score_of_surprise, source_results
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slot_changes import (
    Format,
    Marks,
    changed_since,
    pack_changes,
    replay_slots,
    unpack_changes,
)
from models.anomaly.slots import NO_SLOT, Slots, grown, reload_slots
from models.anomaly.tree_scores import Masses, Points, surprise_bound, tree_scores
from models.anomaly.trees import Trees, num_nodes, trees_for
from models.base import ModelError, OnlineModel
from models.keyed_state import merge_last_seen, most_recent, require_distinct
from models.options import check_option
from models.snapshots import Option, Snapshot, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_STATE_VERSION = 2
#: References that are counted in one call: the counts fit into a core's cache.
_COUNTED_TOGETHER = 8


class HalfSpaceTrees(OnlineModel[SensorReading, AnomalyScore]):
    """For each source_id, random trees count how many reference readings fall into each cell.

    Features are each channel's value and its deviation from the channel's decayed mean, so that
    the trees also see the shape of a series with one channel. The reference consists of a
    source's last readings, up to `window`. It is made when `min_values` are learned, and made
    again, box and counts, whenever as many new readings have come. If a reading lacks a channel
    of the reference, its median is used; a new channel counts from the next reference on.

    The raw score is 2^-mean(log2(1 + density)) over the trees. The density is relative to an even
    spread over a tree's box: the raw score is 1 where there are no reference readings, 1/2 at the
    even density, and near 0 where most of them are. A running distribution of the source's own raw
    scores (`models/anomaly/calibration.py`) turns it into a surprise s = -log10 of the tail
    probability, at most 3 up to the raw score 0.985; score = s / (s + 4). Repeats within an
    incident are damped.

    Memory: 16 bytes for each value of `window` readings, 2 bytes for each node (102 kB with 25
    trees of depth 10), and 80 bytes, for at most `max_keys` sources. Further sources
    are not scored until one of these has stayed away (`models/anomaly/slots.py`); both are counted.
    The trees depend on `seed` alone.

    Source: Tan, Ting and Liu, 2011, "Fast Anomaly Detection for Streaming Data", IJCAI.
    """

    name, version = "half_space_trees", "3"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        trees: int = 25,
        depth: int = 10,
        window: int = 2048,
        min_values: int = 256,
        features_per_tree: int = 1,
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
            depth: splits from root to leaf, 1 to 15.
            window: readings of the largest reference, up to 65535.
            min_values: readings to learn before a source is scored, 8 to `window`.
            features_per_tree: features that one tree splits on, >= 1. More features show how
                channels go together, but each one less finely.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            max_channels: channels of a source; channels seen later are ignored.
            seed: seed of the random trees, >= 0.
            learn_every: offsets in a learning step, >= 1.
        """
        self.trees = check_option("trees", trees, 1, 1000)
        self.depth = check_option("depth", depth, 1, 15)
        self.window = check_option("window", window, 8, 65_535)
        self.min_values = check_option("min_values", min_values, 8, window)
        self.features_per_tree = check_option("features_per_tree", features_per_tree, 1)
        surprise = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(surprise)))
        self.rest = check_option("rest", rest, 0, 1_000_000)
        self._calibration = Calibration(surprise, self.rest)
        self.max_channels = check_option("max_channels", max_channels, 1, 1024)
        self.seed = check_option("seed", seed, 0)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self.max_keys = check_option("max_keys", max_keys, 1)
        self._slots = self._no_slots()
        self._sources: list[Recent] = []
        self._masses: Masses = np.zeros((0, trees, num_nodes(depth)), np.uint16)
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()
        self._marks = Marks()

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by its source's reference; changes nothing.

        Args:
            batch: B readings with finite values.

        Returns:
            B results in input order; `channel` is "": the trees do not compare channels.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[HalfSpaceTrees], batches: Sequence[Sequence[SensorReading]]
    ) -> list[list[AnomalyScore]]:
        """Score the readings of several models at once, each by its own sources.

        Args:
            models: M with the same options as this one, and so with the same trees.
            batches: M batches as for `predict_batch`; may be empty.

        Returns:
            M lists of results.
        """
        found = [model._find(batch) for model, batch in zip(models, batches, strict=True)]
        raws = self._raw(models, batches, found)
        for model, batch, raw, slots in zip(models, batches, raws, found, strict=True):
            model._memo.remember(batch, raw, slots)
        raw, judged = np.concatenate(raws), no_judgments(sum(map(len, batches)))
        scored = np.flatnonzero(~np.isnan(raw))
        if len(scored):
            states = np.concatenate(
                [m._states[s[~np.isnan(r)]] for m, s, r in zip(models, found, raws, strict=True)]
            )
            parts = self._calibration.judge(states, raw[scored], surprise_bound(raw[scored]))
            for whole, part in zip(judged, parts, strict=True):
                whole[scored] = part
        readings = [reading for batch in batches for reading in batch]
        results = iter(source_results(readings, judged, self.threshold))
        return [list(islice(results, len(batch))) for batch in batches]

    def _find(self, batch: Sequence[SensorReading]) -> Ints:
        """Return the slot (n,) of each reading's source."""
        return np.array(self._slots.find(_keys(batch)), np.int64)

    def _raw(
        self,
        models: Sequence[HalfSpaceTrees],
        batches: Sequence[Sequence[SensorReading]],
        found: Sequence[Ints],
    ) -> list[Floats]:
        """Return the raw scores of each batch; NaN for a source that has no reference yet."""
        groups: dict[int, list[Points]] = defaultdict(list)
        first = 0
        for model, batch, slots in zip(models, batches, found, strict=True):
            for points in model._points(batch, slots, first):
                groups[points.points.shape[1]].append(points)
            first += len(batch)
        raw = np.full(first, np.nan)
        for num_features, parts in groups.items():
            positions = np.concatenate([part.positions for part in parts])
            raw[positions] = tree_scores(self._template(num_features), parts)
        return np.split(raw, np.cumsum([len(batch) for batch in batches])[:-1])

    def _points(self, batch: Sequence[SensorReading], found: Ints, first: int) -> Iterator[Points]:
        """Yield the points of the readings whose source has a reference, by its channels."""
        slots, inverse = np.unique(found, return_inverse=True)
        groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for number, slot in enumerate(slots.tolist()):
            if slot != NO_SLOT and self._sources[slot].reference_size:
                groups[self._sources[slot].reference_channels].append(number)
        for numbers in groups.values():
            place = np.full(len(slots), NO_SLOT)
            place[numbers] = np.arange(len(numbers))
            owners = place[inverse]
            at = np.flatnonzero(owners != NO_SLOT)
            owners = owners[at]
            sources = [self._sources[slot] for slot in slots[numbers].tolist()]
            sizes = np.array([source.reference_size for source in sources])[owners]
            points = points_of(sources, owners, [batch[i] for i in at.tolist()])
            yield Points(self._masses, found[at], sizes, points, first + at)

    def _template(self, num_features: int) -> Trees:
        return trees_for(self.trees, self.depth, num_features, self.features_per_tree, self.seed)

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Add the readings to their sources; make the references that are due."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[HalfSpaceTrees], batches: Sequence[Sequence[SensorReading]]
    ) -> None:
        """Let several models learn at once, each from its own readings.

        Args:
            models: M distinct ones.
            batches: M batches as for `learn_batch`; may be empty.
        """
        # A reading that can't be read is found here, before any model has changed.
        memos = [model._memo.take(batch) for model, batch in zip(models, batches, strict=True)]
        missing = [i for i, columns in enumerate(memos) if columns is None]
        found = [models[i]._find(batches[i]) for i in missing]
        if missing:
            raws = self._raw([models[i] for i in missing], [batches[i] for i in missing], found)
            for i, raw, slots in zip(missing, raws, found, strict=True):
                memos[i] = [raw, slots]
        steps = []
        for model, batch, columns in zip(models, batches, memos, strict=True):
            assert columns is not None
            claimed = model._claim(batch, *columns)
            steps += [(model, slot, readings) for slot, readings in claimed.items()]
        learn_steps([(model._sources[slot], readings) for model, slot, readings in steps])
        due: dict[int, list[tuple[HalfSpaceTrees, int, Floats]]] = defaultdict(list)
        for model, slot, _ in steps:
            source = model._sources[slot]
            if source.total >= max(self.min_values, source.next_reference):
                points = source.make_reference()
                if source.reference_size:
                    due[points.shape[1]].append((model, slot, points))
        for num_features, references in due.items():
            self._count(num_features, references)

    def _claim(
        self, batch: Sequence[SensorReading], raw: Floats, found: Ints
    ) -> dict[int, list[SensorReading]]:
        """Give the source of each reading a slot; return the readings of each slot.

        The raw scores (n,), NaN for none, are learned by the calibration. `found` (n,) are the
        slots before this step.
        """
        slots, fresh = found.tolist(), list[int]()
        if NO_SLOT in slots:
            slots, fresh, _ = self._slots.claim(_keys(batch))
        else:
            self._slots.see(slots)
        self._masses = grown(self._masses, self._slots.capacity)
        self._states = grown(self._states, self._slots.capacity)
        self._states[fresh] = 0.0
        scored = np.flatnonzero(~np.isnan(raw))
        self._calibration.learn(
            self._states,
            np.array(slots, np.int64)[scored],
            raw[scored],
            surprise_bound(raw[scored]),
        )
        for slot in fresh:
            self._sources[slot : slot + 1] = [Recent(self.window, self.max_channels)]
        readings: dict[int, list[SensorReading]] = defaultdict(list)
        for reading, slot in zip(batch, slots, strict=True):
            if slot != NO_SLOT:
                readings[slot].append(reading)
        return readings

    def _count(
        self, num_features: int, references: Sequence[tuple[HalfSpaceTrees, int, Floats]]
    ) -> None:
        """Count the points of references, each of a slot of a model, in their trees' nodes."""
        trees = self._template(num_features)
        for start in range(0, len(references), _COUNTED_TOGETHER):
            chosen = references[start : start + _COUNTED_TOGETHER]
            masses = trees.counts([points for _, _, points in chosen])
            for (model, slot, _), counts in zip(chosen, masses, strict=True):
                model._masses[slot] = counts

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

    def _empty(self) -> HalfSpaceTrees:
        """Return an instance with the same options that has learned nothing."""
        empty = copy(self)
        empty._slots, empty._sources = self._no_slots(), []
        empty._masses, empty._states = self._masses[:0], self._states[:0]
        return empty

    def _restored(self, state: bytes) -> HalfSpaceTrees:
        restored = self._empty()
        restored.restore(state)
        return restored


def _keys(batch: Sequence[SensorReading]) -> list[tuple[str, ...]]:
    return [(reading.source_id,) for reading in batch]
