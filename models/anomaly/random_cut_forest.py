"""Random cut forest: a reading is unusual if it would displace many others in random trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.cut_trees import CutTrees
from models.anomaly.cut_trees_state import pack_trees, unpack_trees
from models.anomaly.source_model import Arrays, Scored, SourceModel
from models.anomaly.source_window import LARGEST_SCALED, SourceWindow
from models.anomaly.window_state import pack_windows, unpack_windows
from models.options import check_option
from models.snapshots import Option, Snapshot
from schemas import SensorReading

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Values of a vector if the window is automatic.
_NUM_VALUES = 8
#: A reading that displaces this share of a tree's samples has the bound 3 of the surprise.
_CLEAR_SHARE, _CLEAR_SURPRISE = 0.2, 3.0
#: The raw score is in units of a displacement of this share of the samples.
_UNIT_SHARE = 0.02


class Plan(NamedTuple):
    """The options that a source's state depends on."""

    trees: int
    max_samples: int
    window: int
    half_life: int
    min_values: int
    max_channels: int
    seed: int


class CutSource:
    """One source: its window and its trees."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.window = self._no_window()
        self.trees: CutTrees | None = None

    def _no_window(self) -> SourceWindow:
        plan = self.plan
        return SourceWindow(plan.window, _NUM_VALUES, plan.min_values, plan.max_channels, False)

    def _weights(self) -> Floats:
        return np.tile(1.0 / self.window.spread, self.window.length)

    @property
    def total(self) -> int:
        """Readings learned so far."""
        return self.window.total

    def score(self, readings: Sequence[SensorReading]) -> Scored | None:
        """Return what readings would displace, relative to the samples of a tree."""
        if self.trees is None:
            return None
        channels = self.window.channels
        points = self.window.vectors(readings)
        displaced = self.trees.displacement(points, self._weights())
        unit = _UNIT_SHARE * self.trees.count
        parts = displaced.by_feature.reshape(len(readings), -1, len(channels)).sum(axis=1)
        return Scored(displaced.expected / unit, parts, channels)

    def learn(self, readings: Sequence[SensorReading], is_usual: Bools) -> None:
        """Append readings; those that are usual take the places of samples in some trees."""
        first = self.window.total
        vectors = self.window.append(readings)
        if self.window.is_outdated:
            self.window, self.trees = self._no_window(), None
        elif self.window.is_full:
            self._start(self.window.fix_scales())
        elif self.trees is not None and is_usual.any():
            self._sample(vectors[is_usual], first)

    def _start(self, vectors: Floats) -> None:
        plan = self.plan
        self.trees = CutTrees(plan.trees, plan.max_samples, vectors.shape[1])
        self._sample(vectors[-plan.max_samples :], 0)

    def _sample(self, vectors: Floats, number: int) -> None:
        """Offer vectors (n, D), n >= 1, to the trees; `number` differs from step to step."""
        trees, plan = self.trees, self.plan
        assert trees is not None
        rng = np.random.default_rng((plan.seed, number))
        weights = self._weights()
        room = plan.max_samples - trees.count
        for vector in vectors[:room]:
            trees.grow(vector, weights, rng)
        rest = vectors[room:]
        chance = min(plan.max_samples * np.log(2.0) / plan.half_life, 1.0)
        is_taken = rng.random((len(rest), plan.trees)) < chance
        ranks = np.cumsum(is_taken, axis=0)
        # Each tree takes its vectors in order, one in each turn.
        for turn in range(1, int(ranks.max(initial=0)) + 1):
            is_next = is_taken & (ranks == turn)
            chosen = np.flatnonzero(is_next.any(axis=0))
            samples = rng.integers(0, plan.max_samples, len(chosen))
            points = rest[is_next.argmax(axis=0)[chosen]]
            trees.replace(chosen, samples, points, weights, rng)
        self._learn_scales(vectors)

    def _learn_scales(self, vectors: Floats) -> None:
        last = vectors[:, -len(self.window.channels) :]
        scaled = (last - self.window.mean) / self.window.spread
        scaled = np.clip(scaled, -LARGEST_SCALED, LARGEST_SCALED)
        self.window.learn_scales(scaled, 1.0 - 0.5 ** (len(vectors) / self.plan.half_life))


class RandomCutForest(SourceModel[CutSource]):
    """For each source_id, random cut trees over samples of its usual readings.

    A vector is the values of the last `window` readings. The raw score is the expected collusive
    displacement of a vector, the mean over the trees: how many samples hang one node deeper if it
    is inserted, in proportion to the number of samples that are like it. A channel's width counts
    in units of its spread. Each tree takes a usual vector with the probability at which a sample
    stays for `half_life` readings in the median, in the place of a random one. The score and
    incidents are those of every calibrated detector. A result has the share of the displacement
    that cuts in each channel cause.

    The first `min_values` readings fix the channels (`SourceWindow`). Unusual readings are not
    learned.

    Memory: with D = window * channels, 16 D + 26 bytes for each of `trees * (2 max_samples - 1)`
    nodes (2.4 MB by default with one channel), for at most `max_keys` sources. Random numbers
    depend on `seed` and on the number of the source's readings alone.

    Source: Guha, Mishra, Roy and Schrijvers, 2016, "Robust Random Cut Forest Based Anomaly
    Detection on Streams", ICML; Aggarwal, 2006, "On biased reservoir sampling in the presence of
    stream evolution", VLDB.
    """

    name, version = "random_cut_forest", "1"

    def __init__(
        self,
        trees: int = 30,
        max_samples: int = 256,
        window: int = 0,
        half_life: int = 1000,
        min_values: int = 64,
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 64,
        max_channels: int = 64,
        seed: int = 1,
        learn_every: int = 1,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            trees: 1 to 1000.
            max_samples: of each tree, 8 to 4096.
            window: readings in a vector, 1 to 1024; 0: 8 divided by the number of channels.
            half_life: readings after which half of the samples are replaced, 32 to 10 million.
            min_values: readings to collect before a source is scored, at least `window`, 8 to
                65536.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            max_channels: channels of a source, 1 to 1024; further ones are ignored.
            seed: seed of cuts and samples, >= 0.
            learn_every: offsets in a learning step, >= 1. A vector has no other reading of its
                own step: with more than 1 it has gaps where a source comes twice in a step.
        """
        self._plan = Plan(
            trees=check_option("trees", trees, 1, 1000),
            max_samples=check_option("max_samples", max_samples, 8, 4096),
            window=check_option("window", window, 0, 1024),
            half_life=check_option("half_life", half_life, 32, 10_000_000),
            min_values=check_option("min_values", min_values, max(8, window), 65_536),
            max_channels=check_option("max_channels", max_channels, 1, 1024),
            seed=check_option("seed", seed, 0, 2**32 - 1),
        )
        self._set_options(threshold, rest, max_keys, learn_every)

    def _bound(self, raw: Floats) -> Floats:
        return raw * (_CLEAR_SURPRISE * _UNIT_SHARE / _CLEAR_SHARE)

    def _new_source(self) -> CutSource:
        return CutSource(self._plan)

    def _plan_options(self) -> dict[str, Option]:
        return dict(self._plan._asdict())

    def _pack_sources(self, sources: Sequence[CutSource]) -> tuple[dict[str, list[str]], Arrays]:
        names, arrays = pack_windows([source.window for source in sources])
        return names, arrays | pack_trees([s.trees for s in sources if s.trees is not None])

    def _unpack_sources(self, saved: Snapshot, count: int) -> list[CutSource]:
        plan = self._plan
        sources = [CutSource(plan) for _ in range(count)]
        unpack_windows(saved, [source.window for source in sources])
        ready = [source for source in sources if source.window.is_ready]
        sizes = [source.window.length * len(source.window.channels) for source in ready]
        found = unpack_trees(saved, plan.trees, plan.max_samples, sizes)
        for source, trees in zip(ready, found, strict=True):
            source.trees = trees
        return sources
