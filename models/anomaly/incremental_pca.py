"""Incremental PCA over subsequences: a reading is unusual if it leaves the leading subspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.source_model import Arrays, Scored, SourceModel
from models.anomaly.source_window import SourceWindow
from models.anomaly.subspace import Subspace, empty_subspace
from models.anomaly.window_state import pack_windows, unpack_windows
from models.base import ModelError
from models.options import check_option
from models.snapshots import Option, Snapshot
from schemas import SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Values of a vector if the window is automatic.
_NUM_VALUES = 64
#: Vectors that the subspace learns at once.
_BLOCK = 32


class Plan(NamedTuple):
    """The options that a source's state depends on."""

    window: int
    components: int
    energy: float
    half_life: int
    min_values: int
    max_channels: int


class SubspaceSource:
    """One source: its window, its subspace, and the vectors that wait to be learned."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.window = self._no_window()
        self.subspace = empty_subspace(0, plan.components)
        self.waiting: Floats = np.zeros((0, 0))
        """(n < `_BLOCK`, D)"""

    def _no_window(self) -> SourceWindow:
        plan = self.plan
        return SourceWindow(plan.window, _NUM_VALUES, plan.min_values, plan.max_channels)

    @property
    def total(self) -> int:
        """Readings learned so far."""
        return self.window.total

    def score(self, readings: Sequence[SensorReading]) -> Scored | None:
        """Return the root mean square (n,) of the residuals, about 1 for a usual reading."""
        if not self.window.is_ready:
            return None
        channels = self.window.channels
        residuals = self.subspace.residuals(self.window.vectors(readings), self.plan.energy)
        squares = residuals * residuals
        parts = squares.reshape(len(readings), -1, len(channels)).sum(axis=1)
        return Scored(np.sqrt(squares.mean(axis=1)), parts, channels)

    def learn(self, readings: Sequence[SensorReading], is_usual: Bools) -> None:
        """Append readings; learn the vectors of those that are usual, `_BLOCK` at a time."""
        vectors = self.window.append(readings)
        if self.window.is_outdated:
            self.window = self._no_window()
        elif self.window.is_full:
            self._start(self.window.fix_scales())
        elif len(vectors):
            self.waiting = np.concatenate([self.waiting, vectors[is_usual]])
            while len(self.waiting) >= _BLOCK:
                block, self.waiting = self.waiting[:_BLOCK], self.waiting[_BLOCK:]
                self._learn_block(block)

    def _start(self, vectors: Floats) -> None:
        size = vectors.shape[1]
        self.waiting = np.zeros((0, size))
        self.subspace = empty_subspace(size, self.plan.components).learned(vectors, 1.0)

    def _learn_block(self, block: Floats) -> None:
        keep = 0.5 ** (_BLOCK / self.plan.half_life)
        self.subspace = self.subspace.learned(block, keep)
        self.window.learn_scales(block[:, -len(self.window.channels) :], 1.0 - keep)


class IncrementalPCA(SourceModel[SubspaceSource]):
    """For each source_id, the leading subspace of the subsequences of its readings.

    A subsequence is the values of the last `window` readings, scaled channel by channel. The raw
    score is the root mean square of what the leading components leave over (the squared
    prediction error of process control), relative to what they left over before. So a reading is
    unusual if its channels, or it and the readings before it, do not go together as usual, even if
    each value is usual. The score and incidents are those of every calibrated detector. A result
    has the share of each channel in the residual.

    The first `min_values` readings fix channels and scales (`SourceWindow`); mean, scale and
    subspace then forget half in `half_life` readings. Unusual readings are not learned.

    Memory: with D = window * channels (about 64 by default), 8 D (components + 34) bytes
    (27 kB), and `min_values` readings at first, for at most `max_keys` sources.
    Nothing is random.

    Source: Levy and Lindenbaum, 2000, IEEE Transactions on Image Processing 9(8); Jackson and
    Mudholkar, 1979, "Control Procedures for Residuals Associated with PCA", Technometrics 21(3).
    """

    name, version = "incremental_pca", "1"

    def __init__(
        self,
        window: int = 0,
        components: int = 8,
        energy: float = 0.7,
        half_life: int = 1000,
        min_values: int = 256,
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 1024,
        max_channels: int = 64,
        learn_every: int = 1,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            window: readings in a subsequence, 1 to 1024; 0: 64 divided by the number of channels.
            components: of the subspace at most, 1 to 64.
            energy: share of the variance that the subspace explains, 0 to 1.
            half_life: readings after which a reading counts half, 32 to 10 million.
            min_values: readings to collect before a source is scored, at least `window`, 32 to
                65536.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            max_channels: channels of a source, 1 to 1024; further ones are ignored.
            learn_every: offsets in a learning step, >= 1. A subsequence has no other reading of
                its own step: with more than 1 it has gaps where a source comes twice in a step.
        """
        self._plan = Plan(
            window=check_option("window", window, 0, 1024),
            components=check_option("components", components, 1, 64),
            energy=check_option("energy", energy, 0.0, 1.0),
            half_life=check_option("half_life", half_life, 32, 10_000_000),
            min_values=check_option("min_values", min_values, max(32, window), 65_536),
            max_channels=check_option("max_channels", max_channels, 1, 1024),
        )
        self._set_options(threshold, rest, max_keys, learn_every)

    def _new_source(self) -> SubspaceSource:
        return SubspaceSource(self._plan)

    def _plan_options(self) -> dict[str, Option]:
        return dict(self._plan._asdict())

    def _pack_sources(
        self, sources: Sequence[SubspaceSource]
    ) -> tuple[dict[str, list[str]], Arrays]:
        names, arrays = pack_windows([source.window for source in sources])
        ready = [source for source in sources if source.window.is_ready]
        none = np.zeros(0)
        arrays["subspaces"] = np.array([[s.subspace.weight, s.subspace.total] for s in ready])
        arrays["subspaces"] = arrays["subspaces"].reshape(len(ready), 2)
        arrays["variances"] = np.concatenate([none, *(s.subspace.variances for s in ready)])
        arrays["means"] = np.concatenate([none, *(s.subspace.mean for s in ready)])
        arrays["bases"] = np.concatenate([none, *(s.subspace.basis.ravel() for s in ready)])
        arrays["num_waiting"] = np.array([len(s.waiting) for s in ready], np.int64)
        arrays["waiting"] = np.concatenate([none, *(s.waiting.ravel() for s in ready)])
        return names, arrays

    def _unpack_sources(self, saved: Snapshot, count: int) -> list[SubspaceSource]:
        sources = [SubspaceSource(self._plan) for _ in range(count)]
        unpack_windows(saved, [source.window for source in sources])
        ready = [source for source in sources if source.window.is_ready]
        sizes = np.array([s.window.length * len(s.window.channels) for s in ready], np.int64)
        most, total, floats = self._plan.components, int(sizes.sum()), np.zeros(0)
        counts = saved.array("subspaces", floats, len(ready), 2)
        variances = saved.array("variances", floats, most * len(ready)).reshape(-1, most)
        means = np.split(saved.array("means", floats, total), np.cumsum(sizes)[:-1])
        bases = np.split(saved.array("bases", floats, most * total), np.cumsum(most * sizes)[:-1])
        num_waiting = saved.array("num_waiting", sizes, len(ready))
        if ((num_waiting < 0) | (num_waiting >= _BLOCK)).any():
            raise ModelError(f"the counts in the snapshot of {self.name} are out of range")
        lengths = sizes * num_waiting
        waiting = saved.array("waiting", floats, int(lengths.sum()))
        parts = np.split(waiting, np.cumsum(lengths)[:-1])
        every = [counts, variances, *means, *bases, waiting]
        if not all(np.isfinite(each).all() for each in every) or (variances < 0).any():
            raise ModelError(f"the numbers in the snapshot of {self.name} are out of range")
        for at, source in enumerate(ready):
            size = int(sizes[at])
            source.subspace = Subspace(
                float(counts[at, 0]),
                float(counts[at, 1]),
                means[at],
                bases[at].reshape(most, size),
                variances[at],
            )
            source.waiting = parts[at].reshape(-1, size)
        return sources
