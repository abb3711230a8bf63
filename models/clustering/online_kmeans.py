"""Online k-means: clusters of behavior that follow the stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, OnlineModel
from models.clustering.centers import Centers
from models.clustering.scaling import RunningScale
from models.clustering.seeding import nearest, seed_centers
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import BehaviorEvent, ClusterAssignment, ClusterUpdate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A new cluster must reduce the squared distances of a step by this share.
_LEAST_GAIN = 0.25

_STATE_VERSION = 1


class OnlineKMeans(OnlineModel[BehaviorEvent, ClusterAssignment | ClusterUpdate]):
    """k centers in a feature space scaled by running mean and deviation.

    The first `seed_events` events are kept and then seed the centers (k-means++). After that, each
    learning step moves every center to the mean of its events, old and new; the weight of an event
    halves every `half_life_events`. A starved cluster is replaced by an event far from all
    centers, with a new id. The running mean stands in for a feature that an event lacks; features
    that the model does not know are ignored.

    Memory: k centers and, before they exist, `seed_events` events, of at most `max_features`
    numbers each. Random choices depend on `seed` and the number of the step.

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
        """Check the options of the pipeline file.

        Args:
            k: number of clusters, 1 to 1000.
            features: names of features to cluster by, in order; None: those of the first step's
                events, sorted, up to `max_features`.
            half_life_events: events of this partition after which an event's weight halves, >= 1.
            seed_events: events that seed the centers, k to 65536; no cluster exists before.
            max_features: the most features, 1 to 1024.
            seed: seed of random choices, >= 0.
            learn_every: offsets in a learning step, >= 1.
        """
        self.k = check_option("k", k, 1, 1000)
        self.half_life_events = check_option("half_life_events", half_life_events, 1)
        self.seed_events = check_option("seed_events", seed_events, k, 65_536)
        self.max_features = check_option("max_features", max_features, 1, 1024)
        self.seed = check_option("seed", seed, 0)
        self.learn_every = check_option("learn_every", learn_every, 1)
        if features is not None:
            check_option("features (their number)", len(set(features)), 1, max_features)
        self._wanted_features = None if features is None else list(dict.fromkeys(features))
        self._start(self._wanted_features or [])

    def _start(self, features: list[str]) -> None:
        """Start without any state, with these features."""
        self._features = features
        self._scale = RunningScale(len(features))
        self._waiting: Floats = np.zeros((0, len(features)))
        self._centers = Centers(self.k, len(features))
        self._spread = 0.0  # the decayed mean of squared distances
        self._num_steps = 0

    def predict_batch(self, batch: Sequence[BehaviorEvent]) -> list[ClusterAssignment]:
        """Assign each event to the nearest center; changes nothing.

        Args:
            batch: B events with finite features.

        Returns:
            B results in input order; `cluster_id` -1 and distance 0 before a cluster exists.
        """
        if not len(self._centers):
            return [ClusterAssignment(cluster_id=-1, distance=0.0) for _ in batch]
        index, squared = self._nearest(self._values(batch))
        pairs = zip(self._centers.ids[index].tolist(), np.sqrt(squared).tolist(), strict=True)
        return [ClusterAssignment(cluster_id=i, distance=d) for i, d in pairs]

    def _values(self, batch: Sequence[BehaviorEvent]) -> Floats:
        """Return features (B, F), NaN where an event lacks one."""
        names, nan = self._features, float("nan")
        rows = [[event.features.get(name, nan) for name in names] for event in batch]
        return np.array(rows, np.float64).reshape(len(batch), len(names))

    def _nearest(self, values: Floats) -> tuple[Ints, Floats]:
        return nearest(self._scale.scaled(values), self._scale.scaled(self._centers.places))

    def learn_batch(self, batch: Sequence[BehaviorEvent]) -> None:
        """Update the scale and move the centers by the events of a step."""
        if not batch:
            return
        if not self._features:
            names = sorted({name for event in batch for name in event.features})
            self._start(names[: self.max_features])
        values, decay = self._values(batch), 0.5 ** (len(batch) / self.half_life_events)
        self._num_steps += 1
        values = self._scale.clipped(values)
        self._scale.learn(values, decay)
        values = np.where(np.isnan(values), self._scale.mean, values)
        if len(self._centers):
            self._move(values, decay)
        else:
            self._seed(values)

    def _seed(self, values: Floats) -> None:
        """Keep the events until there are enough to seed the centers."""
        self._waiting = np.concatenate([self._waiting, values])
        if len(self._waiting) < self.seed_events:
            return
        waiting, self._waiting = self._waiting, self._waiting[:0]
        places = seed_centers(self._scale.scaled(waiting), self.k, self._rng())
        self._centers.add(places * self._scale.std + self._scale.mean)
        self._spread = float(self._nearest(waiting)[1].mean())
        self._move(waiting, 1.0)

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self._num_steps])

    def _move(self, values: Floats, decay: float) -> None:
        """Decay the clusters and add the events `values` (n, F) to them."""
        self._centers.weights *= decay
        index, squared = self._nearest(values)
        if self._centers.has_room() and self._admit_one_of(values, squared):
            index, squared = self._nearest(values)
        self._centers.move(index, values)
        self._spread = decay * self._spread + (1 - decay) * float(squared.mean())

    def _admit_one_of(self, values: Floats, squared: Floats) -> bool:
        """Add a center at an event farther out than usual, if that gains enough; return if so."""
        far = np.where(squared > self._spread, squared, 0.0)
        if not far.any():
            return False
        chosen = int(self._rng().choice(len(values), p=far / far.sum()))
        points = self._scale.scaled(values)
        to_chosen = ((points - points[chosen]) ** 2).sum(axis=1)
        if np.maximum(squared - to_chosen, 0.0).sum() <= _LEAST_GAIN * squared.sum():
            return False
        self._centers.admit(values[chosen])
        return True

    def update(self) -> ClusterUpdate | None:
        """Return the current clusters by id; None before there are any."""
        if not len(self._centers):
            return None
        return ClusterUpdate(clusters=self._centers.to_clusters(self._features))

    def snapshot(self) -> bytes:
        """Return the scale, the centers and the waiting events."""
        arrays = {
            "scale": np.stack([self._scale.weight, self._scale.mean, self._scale.squares]),
            "waiting": self._waiting,
            "centres": self._centers.places,
            "weights": self._centers.weights,
            "ids": self._centers.ids,
            "counts": self._counts(),
            "spread": np.array([self._spread]),
        }
        names = {"features": self._features}
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _counts(self) -> Ints:
        held, centers = len(self._waiting), self._centers
        return np.array([held, len(centers), centers.next_id, self._num_steps], np.int64)

    def _options(self) -> dict[str, Option]:
        names = ("k", "half_life_events", "seed_events", "max_features", "seed")
        return {name: getattr(self, name) for name in names} | {"features": self._wanted_features}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

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
        scale, spread = saved.array("scale", floats, 3, width), saved.array("spread", floats, 1)
        kept, centers = saved.array("waiting", floats, waiting, width), Centers(self.k, width)
        centers.places = saved.array("centres", floats, k, width)
        centers.weights = saved.array("weights", floats, k)
        centers.ids, centers.next_id = saved.array("ids", ints, k), next_id
        self._start(features)
        self._scale.weight, self._scale.mean, self._scale.squares = scale
        self._waiting, self._centers, self._spread = kept, centers, float(spread[0])
        self._num_steps = num_steps
