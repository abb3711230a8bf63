"""k-means that forgets: clusters of behaviour that follow the stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, OnlineModel
from models.clustering.scaling import RunningScale
from models.clustering.seeding import nearest, seed_centres, sum_by
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import BehaviorEvent, Cluster, ClusterAssignment, ClusterUpdate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A cluster with less than this share of an even share of the weight gives its place up ...
_STARVED = 0.05
#: ... to an event farther out than usual that lessens the step's squared distances by this share.
_LEAST_GAIN = 0.25

_STATE_VERSION = 1


class OnlineKMeans(OnlineModel[BehaviorEvent, ClusterAssignment | ClusterUpdate]):
    """k centres in a feature space scaled by running mean and deviation.

    The first `seed_events` events are kept until they seed the centres (k-means++). From then on
    each learning step moves every centre to the mean of its events, old and new, the old weighing
    half after `half_life_events`. A cluster that starves is given up for an event far from all
    centres, under a new id. A feature that an event lacks counts as the running mean; a feature
    that the model does not know is ignored.

    Remembers k centres and, before they exist, `seed_events` events, of at most `max_features`
    numbers each. Random choices come from `seed` and the number of the step.

    Source: Sculley, 2010, "Web-Scale K-Means Clustering", WWW; the decay as in Aggarwal et al.,
    2003, "A Framework for Clustering Evolving Data Streams", VLDB.
    """

    name, version = "online_kmeans", "1"
    event_type, result_type = BehaviorEvent, ClusterAssignment

    def __init__(
        self,
        k: int = 8,
        features: list[str] | None = None,
        half_life_events: float = 5000.0,
        seed_events: int = 512,
        max_features: int = 64,
        seed: int = 1,
        learn_every: int = 64,
    ) -> None:
        """Options of the pipeline file.

        Args:
            k: clusters, 1 to 1000.
            features: names of features to cluster by, in order; None: those of the first step's
                events, sorted, up to `max_features`.
            half_life_events: events of this partition after which an event weighs half, >= 1.
            seed_events: events that seed the centres, k to 65536; no cluster exists before.
            max_features: 1 to 1024.
            seed: of random choices, >= 0.
            learn_every: offsets a learning step, >= 1.
        """
        self.k = check_option("k", k, 1, 1000)
        self.half_life_events = check_option("half_life_events", half_life_events, 1)
        self.seed_events = check_option("seed_events", seed_events, k, 65_536)
        self.max_features = check_option("max_features", max_features, 1, 1024)
        self.seed = check_option("seed", seed, 0)
        self.learn_every = check_option("learn_every", learn_every, 1)
        if features is not None:
            check_option("features (their number)", len(set(features)), 1, max_features)
        self._asked = None if features is None else list(dict.fromkeys(features))
        self._start(self._asked or [])

    def _start(self, features: list[str]) -> None:
        """Forget everything and take on these features."""
        self._features = features
        self._scale = RunningScale(len(features))
        self._waiting: Floats = np.zeros((0, len(features)))
        self._centres: Floats = np.zeros((0, len(features)))  # in the features' own units
        self._weights: Floats = np.zeros(0)
        self._ids: Ints = np.zeros(0, np.int64)
        self._next_id = 0
        self._spread = 0.0  # the decayed mean of squared distances
        self._num_steps = 0

    def predict_batch(self, batch: Sequence[BehaviorEvent]) -> list[ClusterAssignment]:
        """Assign each event to the nearest centre; changes nothing.

        Args:
            batch: B events with finite features.

        Returns:
            B results in input order; `cluster_id` -1 and distance 0 before any cluster exists.
        """
        if not len(self._centres):
            return [ClusterAssignment(cluster_id=-1, distance=0.0) for _ in batch]
        index, squared = self._nearest(self._values(batch))
        pairs = zip(self._ids[index].tolist(), np.sqrt(squared).tolist(), strict=True)
        return [ClusterAssignment(cluster_id=i, distance=d) for i, d in pairs]

    def _values(self, batch: Sequence[BehaviorEvent]) -> Floats:
        """Return (B, F) features, NaN where an event lacks one."""
        names, nan = self._features, float("nan")
        rows = [[event.features.get(name, nan) for name in names] for event in batch]
        return np.array(rows, np.float64).reshape(len(batch), len(names))

    def _nearest(self, values: Floats) -> tuple[Ints, Floats]:
        return nearest(self._scale.scaled(values), self._scale.scaled(self._centres))

    def learn_batch(self, batch: Sequence[BehaviorEvent]) -> None:
        """Move scale and centres by a step's events."""
        if not batch:
            return
        if not self._features:
            every = sorted({name for event in batch for name in event.features})
            self._start(every[: self.max_features])
        values, decay = self._values(batch), 0.5 ** (len(batch) / self.half_life_events)
        self._num_steps += 1
        values = self._scale.within_reach(values)
        self._scale.learn(values, decay)
        values = np.where(np.isnan(values), self._scale.mean, values)
        if len(self._centres):
            self._move(values, decay)
        else:
            self._seed(values)

    def _seed(self, values: Floats) -> None:
        """Keep the events, and make centres of them once there are enough."""
        self._waiting = np.concatenate([self._waiting, values])
        if len(self._waiting) < self.seed_events:
            return
        waiting, self._waiting = self._waiting, self._waiting[:0]
        centres = seed_centres(self._scale.scaled(waiting), self.k, self._rng())
        self._centres = centres * self._scale.std + self._scale.mean
        self._ids = np.arange(len(centres))
        self._next_id = len(centres)
        self._weights = np.zeros(len(centres))
        self._spread = float(self._nearest(waiting)[1].mean())
        self._move(waiting, 1.0)

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self._num_steps])

    def _move(self, values: Floats, decay: float) -> None:
        """Decay the clusters and move each to the mean of what it holds, `values` (n, F) added."""
        self._weights *= decay
        index, squared = self._nearest(values)
        if self._make_way(values, squared):
            index, squared = self._nearest(values)
        sums, counts = sum_by(index, values - self._centres[index], len(self._centres))
        self._weights += counts
        self._centres += sums / np.maximum(self._weights, 1e-300)[:, None]
        self._spread = decay * self._spread + (1 - decay) * float(squared.mean())

    def _make_way(self, values: Floats, squared: Floats) -> bool:
        """Give a free or starved cluster's place to a far event, if there is one; tell whether."""
        far = np.where(squared > self._spread, squared, 0.0)
        if not far.any():
            return False
        chosen = int(self._rng().choice(len(values), p=far / far.sum()))
        points = self._scale.scaled(values)
        apart = ((points - points[chosen]) ** 2).sum(axis=1)
        gain = np.maximum(squared - apart, 0.0).sum()
        place = self._free_place() if gain > _LEAST_GAIN * squared.sum() else -1
        if place < 0:
            return False
        self._centres[place], self._weights[place] = values[chosen], 0.0
        self._ids[place] = self._next_id
        self._next_id += 1
        return True

    def _free_place(self) -> int:
        """Return a row for a new cluster, -1 if none is free or starves."""
        if len(self._centres) < self.k:
            self._centres = np.append(self._centres, self._centres[:1], axis=0)
            self._weights, self._ids = np.append(self._weights, 0.0), np.append(self._ids, -1)
            return len(self._centres) - 1
        least = int(self._weights.argmin())
        return least if self._weights[least] < _STARVED * self._weights.sum() / self.k else -1

    def update(self) -> ClusterUpdate | None:
        """Return the clusters as they stand, by id; None before there are any."""
        if not len(self._centres):
            return None
        rows = np.argsort(self._ids).tolist()
        return ClusterUpdate(clusters=[self._cluster(row) for row in rows])

    def _cluster(self, row: int) -> Cluster:
        centre = dict(zip(self._features, self._centres[row].tolist(), strict=True))
        return Cluster(int(self._ids[row]), centre, float(self._weights[row]))

    def snapshot(self) -> bytes:
        """Return scale, centres and waiting events."""
        arrays = {
            "scale": np.stack([self._scale.weight, self._scale.mean, self._scale.squares]),
            "waiting": self._waiting,
            "centres": self._centres,
            "weights": self._weights,
            "ids": self._ids,
            "counts": np.array(
                [len(self._waiting), len(self._ids), self._next_id, self._num_steps], np.int64
            ),
            "spread": np.array([self._spread]),
        }
        names = {"features": self._features}
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        return {
            "k": self.k,
            "features": self._asked,
            "half_life_events": self.half_life_events,
            "seed_events": self.seed_events,
            "max_features": self.max_features,
            "seed": self.seed,
        }

    def restore(self, state: bytes) -> None:
        """Become what `snapshot` saw.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options. The
                model is then unchanged.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        features, floats, ints = saved.list_of("features"), np.zeros(0), np.zeros(0, np.int64)
        waiting, k, next_id, num_steps = saved.array("counts", ints, 4).tolist()
        width = len(features)
        if not (
            0 <= k <= self.k and 0 <= waiting < self.seed_events and width <= self.max_features
        ):
            raise ModelError(f"the counts in the snapshot of {self.name} do not fit: it is damaged")
        scale = saved.array("scale", floats, 3, width)
        arrays = (
            saved.array("waiting", floats, waiting, width),
            saved.array("centres", floats, k, width),
            saved.array("weights", floats, k),
            saved.array("ids", ints, k),
            float(saved.array("spread", floats, 1)[0]),
        )
        self._start(features)
        self._scale.weight, self._scale.mean, self._scale.squares = scale
        self._waiting, self._centres, self._weights, self._ids, self._spread = arrays
        self._next_id, self._num_steps = next_id, num_steps
