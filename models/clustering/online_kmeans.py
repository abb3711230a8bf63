"""Online k-means: clusters of behavior that follow the stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, OnlineModel
from models.clustering.centers import Centers
from models.clustering.clusters import (
    Clusters,
    first_centers,
    learn_step,
    nearest_centers,
    stacked,
)
from models.clustering.event_rows import RowMemo, with_new_names
from models.feature_rows import feature_rows
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import BehaviorEvent, ClusterAssignment, ClusterUpdate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATE_VERSION = 1


class OnlineKMeans(OnlineModel[BehaviorEvent, ClusterAssignment | ClusterUpdate]):
    """k centers in a feature space scaled by running mean and deviation.

    The first `seed_events` events are kept and then seed the centers (k-means++). After that, each
    learning step moves every center to the mean of its events, old and new; the weight of an event
    halves every `half_life_events`. A starved cluster is replaced by an event far from all
    centers, with a new id. The running mean stands in for a feature that an event lacks. A feature
    that comes later is added: until then, all were at its mean. Beyond `max_features`, and with
    `features`, others are ignored; an event that has none of the features belongs to no cluster
    and is not learned.

    Memory: k centers and, before they exist, `seed_events` events, of at most `max_features`
    numbers each. Random choices depend on `seed` and the number of the step.

    Source: Sculley, 2010, "Web-Scale K-Means Clustering", WWW; the decay as in Aggarwal et al.,
    2003, "A Framework for Clustering Evolving Data Streams", VLDB.
    """

    name, version = "online_kmeans", "2"
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
        k_by_silhouette: bool = False,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            k: number of clusters, 1 to 1000.
            features: names of features to cluster by, in order; None: those that events have, up
                to `max_features`, as they come; sorted within a step.
            half_life_events: events of this partition after which an event's weight halves, >= 1.
            seed_events: events that seed the centers, k to 65536; no cluster exists before.
            max_features: the most features, 1 to 1024.
            seed: seed of random choices, >= 0.
            learn_every: offsets in a learning step, >= 1.
            k_by_silhouette: there are 2 to k clusters, as many as fit the seeding events best.
        """
        self.k_by_silhouette = bool(k_by_silhouette)
        self.k = check_option("k", k, 1, 1000)
        self.half_life_events = check_option("half_life_events", half_life_events, 1)
        self.seed_events = check_option("seed_events", seed_events, k, 65_536)
        self.max_features = check_option("max_features", max_features, 1, 1024)
        self.seed = check_option("seed", seed, 0)
        self.learn_every = check_option("learn_every", learn_every, 1)
        if features is not None:
            check_option("features (their number)", len(set(features)), 1, max_features)
        self._wanted_features = None if features is None else list(dict.fromkeys(features))
        self._clusters = self._fresh(self._wanted_features or [])
        self._num_unplaced = 0
        self._memo = RowMemo[BehaviorEvent]()

    def _fresh(self, features: list[str]) -> Clusters:
        return Clusters(features, self.k, self.seed_events, self.seed, self.k_by_silhouette)

    def predict_batch(self, batch: Sequence[BehaviorEvent]) -> list[ClusterAssignment]:
        """Assign each event to the nearest center; changes nothing.

        Args:
            batch: B events with finite features.

        Returns:
            B results in input order; `cluster_id` -1 and distance 0 before a cluster exists, and
            for an event that has none of the model's features.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[OnlineKMeans], batches: Sequence[Sequence[BehaviorEvent]]
    ) -> list[list[ClusterAssignment]]:
        """Assign the events of several models at once, each to its own model's centers.

        Args:
            models: M distinct ones.
            batches: M batches as for `predict_batch`; may be empty.

        Returns:
            M lists of results.
        """
        results = [[ClusterAssignment(cluster_id=-1, distance=0.0) for _ in b] for b in batches]
        every = [model._clusters for model in models]
        seeded = [i for i, batch in enumerate(batches) if batch and len(every[i].centers)]
        rows = {i: _values(batches[i], every[i].features) for i in seeded}
        for i, own in rows.items():
            models[i]._memo.remember(batches[i], every[i].features, own)
        for members in _by_width(seeded, [every[i].features for i in seeded]):
            group = [every[i] for i in members]
            values, owners = stacked([rows[i] for i in members])
            index, squared = nearest_centers(group, values, owners)
            ids = np.concatenate([clusters.centers.ids for clusters in group])
            is_placed = _has_any(values)
            pairs = zip(
                np.where(is_placed, ids[first_centers(group)[owners] + index], -1).tolist(),
                np.where(is_placed, np.sqrt(squared), 0.0).tolist(),
                strict=True,
            )
            assigned = iter([ClusterAssignment(cluster_id=i, distance=d) for i, d in pairs])
            for i in members:
                results[i] = list(islice(assigned, len(batches[i])))
        return results

    def learn_batch(self, batch: Sequence[BehaviorEvent]) -> None:
        """Update the scale and move the centers by the events of a step."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[OnlineKMeans], batches: Sequence[Sequence[BehaviorEvent]]
    ) -> None:
        """Let several models learn at once, each from its own events.

        Args:
            models: M distinct ones.
            batches: M batches as for `learn_batch`; an empty one changes nothing.
        """
        learning = [(model, batch) for model, batch in zip(models, batches, strict=True) if batch]
        features = [model._features_with(batch) for model, batch in learning]
        # An event that can't be read is found here, before any model has changed.
        steps = [
            model._memo.take(batch, names, _values)
            for (model, batch), names in zip(learning, features, strict=True)
        ]
        for i, (model, _) in enumerate(learning):
            steps[i] = model._without_unplaced(steps[i])
            if len(features[i]) > len(model._clusters.features):
                model._clusters.widen(features[i], steps[i])
        placed = [i for i, step in enumerate(steps) if len(step)]
        for members in _by_width(placed, [features[i] for i in placed]):
            group = [learning[i][0]._clusters for i in members]
            learn_step(group, [steps[i] for i in members], self.half_life_events)

    def _features_with(self, batch: Sequence[BehaviorEvent]) -> list[str]:
        """Return the features, with those that these events bring."""
        known = self._clusters.features
        if self._wanted_features is not None or len(known) >= self.max_features:
            return known
        return with_new_names(known, [event.features for event in batch])[: self.max_features]

    def _without_unplaced(self, values: Floats) -> Floats:
        """Return the events (n, F) that have any of the features; count the others."""
        is_placed = _has_any(values)
        self._num_unplaced += len(values) - int(np.count_nonzero(is_placed))
        return values[is_placed]

    def take_incidents(self) -> dict[str, int]:
        """Return how many events had none of the features since the last call."""
        num_unplaced, self._num_unplaced = self._num_unplaced, 0
        return {"no_known_feature": num_unplaced}

    def update(self) -> ClusterUpdate | None:
        """Return the current clusters by id; None before there are any."""
        clusters = self._clusters
        if not len(clusters.centers):
            return None
        return ClusterUpdate(clusters=clusters.centers.to_clusters(clusters.features))

    def snapshot(self) -> bytes:
        """Return the scale, the centers and the waiting events."""
        clusters = self._clusters
        scale, centers = clusters.scale, clusters.centers
        counts = [len(clusters.waiting), len(centers), centers.next_id, clusters.num_steps]
        arrays = {
            "scale": np.concatenate([scale.weight, scale.mean, scale.squares]),
            "waiting": clusters.waiting,
            "centres": centers.places,
            "weights": centers.weights,
            "ids": centers.ids,
            "counts": np.array(counts, np.int64),
            "spread": np.array([clusters.spread]),
        }
        if self.k_by_silhouette:
            arrays["k"] = np.array([centers.k], np.int64)
        names = {"features": clusters.features}
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        names = ("k", "half_life_events", "seed_events", "max_features", "seed")
        options = {name: getattr(self, name) for name in names}
        # Left out where it is not used: earlier snapshots lack it.
        chosen: dict[str, Option] = {"k_by_silhouette": True} if self.k_by_silhouette else {}
        return {**options, "features": self._wanted_features, **chosen}

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
        most = int(saved.array("k", ints, 1)[0]) if self.k_by_silhouette else self.k
        if not max(k, 1) <= most <= self.k:
            raise ModelError(f"the snapshot of {self.name} has {most} as its k: it is damaged")
        clusters, centers = self._fresh(features), Centers(most, width)
        clusters.waiting = saved.array("waiting", floats, waiting, width)
        centers.places = saved.array("centres", floats, k, width)
        centers.weights = saved.array("weights", floats, k)
        centers.ids, centers.next_id = saved.array("ids", ints, k), next_id
        clusters.scale.weight, clusters.scale.mean, clusters.scale.squares = scale[:, None]
        clusters.centers, clusters.spread = centers, float(spread[0])
        clusters.num_steps = num_steps
        self._clusters, self._memo = clusters, RowMemo[BehaviorEvent]()


def _by_width(positions: Iterable[int], features: Sequence[list[str]]) -> list[list[int]]:
    """Group positions by the number of their features: arrays have rows of one width."""
    groups: dict[int, list[int]] = defaultdict(list)
    for position, names in zip(positions, features, strict=True):
        groups[len(names)].append(position)
    return list(groups.values())


def _has_any(values: Floats) -> NDArray[np.bool_]:
    """Return for each event (n, F) whether it has a value of any feature."""
    return np.asarray(~np.isnan(values).all(axis=1))


def _values(batch: Sequence[BehaviorEvent], features: Sequence[str]) -> Floats:
    """Return features (B, F), NaN where an event lacks one."""
    return feature_rows([event.features for event in batch], features)
