"""Half-space trees: a reading is unusual if few others are in its part of space."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import Calibration
from models.anomaly.contributions import Contributions
from models.anomaly.recent import PER_CHANNEL, Recent, learn_steps, points_of
from models.anomaly.results import (
    EXPLAINED_SURPRISE,
    no_judgments,
    score_of_surprise,
    source_results,
)
from models.anomaly.slots import NO_SLOT, grown
from models.anomaly.tree_contributions import credits, usual_credits
from models.anomaly.tree_scores import Points, surprise_bound, tree_scores
from models.anomaly.trees import Trees, trees_for
from models.anomaly.trees_state import TreesState
from models.options import check_option
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: References that are counted in one call: the counts fit into a core's cache.
_COUNTED_TOGETHER = 8


class HalfSpaceTrees(TreesState):
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
    incident are damped. Unusual readings have the contributions of their channels
    (`models/anomaly/tree_contributions.py`).

    Memory: 16 bytes for each value of `window` readings, 2 bytes for each node (102 kB with 25
    trees of depth 10), and 104 bytes, for at most `max_keys` sources. Further sources
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
        self._start()

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by its source's reference; changes nothing.

        Args:
            batch: B readings with finite values.

        Returns:
            B results in input order. `channel` is the one that contributes most.
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
        shares = self._contributions(models, batches, found, judged.surprise)
        results = iter(source_results(readings, judged, self.threshold, shares))
        return [list(islice(results, len(batch))) for batch in batches]

    def _contributions(
        self,
        models: Sequence[HalfSpaceTrees],
        batches: Sequence[Sequence[SensorReading]],
        found: Sequence[Ints],
        surprise: Floats,
    ) -> Contributions:
        """Return the contributions to the readings that are unusual."""
        shares, first = Contributions(len(surprise)), 0
        for model, batch, slots in zip(models, batches, found, strict=True):
            own = surprise[first : first + len(batch)]
            at = np.flatnonzero(own >= EXPLAINED_SURPRISE)
            chosen = [batch[i] for i in at.tolist()]
            for part in model._points(chosen, slots[at], 0):
                places = first + at[part.positions]
                shares.put(places, model._parts(part), part.channels)
            first += len(batch)
        return shares

    def _parts(self, part: Points) -> Floats:
        """Return how much each channel adds to the scores of points, (n, channels) >= 0."""
        num, num_features = part.points.shape
        if len(part.channels) == 1:
            return np.ones((num, 1))
        trees = self._template(num_features)
        credited = credits(trees, part).reshape(num, -1, PER_CHANNEL).sum(axis=2)
        usual = [self._usual(trees, slot, num_features) for slot in part.slots.tolist()]
        parts: Floats = np.maximum(credited - np.array(usual), 0.0)
        return parts

    def _usual(self, trees: Trees, slot: int, num_features: int) -> Floats:
        source = self._sources[slot]
        if source.usual is None:
            size = source.reference_size
            usual = usual_credits(trees, self._masses[slot], size, num_features)
            source.usual = usual.reshape(-1, PER_CHANNEL).sum(axis=1)
        return source.usual

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
            channels = sources[0].reference_channels
            yield Points(self._masses, found[at], sizes, points, first + at, channels)

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


def _keys(batch: Sequence[SensorReading]) -> list[tuple[str, ...]]:
    return [(reading.source_id,) for reading in batch]
