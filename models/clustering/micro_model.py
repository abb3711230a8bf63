"""What models of micro-clusters share: features, assignment, ids of clusters, updates, state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, OnlineModel
from models.clustering.event_rows import RowMemo, with_new_names
from models.clustering.feature_space import FeatureSpace, Scale
from models.clustering.global_ids import GlobalIds
from models.clustering.micro_clusters import MicroClusters
from models.clustering.micro_options import MicroOptions, SharedOptions
from models.clustering.nearest import nearest
from models.clustering.stable_ids import inherit_ids
from models.snapshots import Option, Snapshot, pack, unpack
from schemas import (
    BehaviorEvent,
    Cluster,
    ClusterAssignment,
    ClusterUpdate,
    GlobalClusterRecord,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATE_VERSION = 1


class MicroClusterModel(OnlineModel[BehaviorEvent, ClusterAssignment | ClusterUpdate]):
    """A model that summarizes its events in micro-clusters and groups those into clusters.

    A subclass defines `_absorb` (a learning step) and `_group` (which micro-clusters belong
    together), and where it remembers more, `_more_arrays` and `_restore_more`.

    An event is assigned to the cluster of its nearest settled micro-cluster. Farther than `reach`
    from all of them it is an outlier: `cluster_id` -1, with its distance. A cluster keeps its id
    while most of its weight stays together (`stable_ids.py`). Records of the picture of all
    partitions that are in the input (`share_clusters`) say which global cluster it is part of.
    """

    event_type, result_type = BehaviorEvent, ClusterAssignment
    side_types = (GlobalClusterRecord,)

    shared_defaults: ClassVar[dict[str, Any]] = {}
    """Shared options whose default is another one in this model."""

    def __init__(self, shared: SharedOptions) -> None:
        """Check the options that all of these models have (`micro_options.py`)."""
        options = MicroOptions(**{**self.shared_defaults, **shared})
        self.max_features = options.max_features
        self.half_life_events = options.half_life_events
        self.max_micro_clusters = options.max_micro_clusters
        self.publish_every, self.learn_every = options.publish_every, options.learn_every
        self.scale: Scale = options.scale
        self.log = options.log
        wanted = options.features
        self._wanted_features = None if wanted is None else list(dict.fromkeys(wanted))
        self._incidents: dict[str, int] = {}
        self._space = self._fresh_space(self._wanted_features or [])
        self._micro = MicroClusters(len(self._space.names))
        self._num_learned = 0
        self._num_steps = 0
        self._next_group = 0
        self._global_ids = GlobalIds()
        self._has_learned = False
        self._memo = RowMemo[BehaviorEvent]()

    @property
    def reach(self) -> float:
        """The scaled distance up to which an event or a micro-cluster belongs to another one."""
        raise NotImplementedError

    def _absorb(self, values: Floats, times: Floats) -> None:
        """Learn even values (n, F), n >= 1, without missing ones, at ascending times (n,)."""
        raise NotImplementedError

    def _group(self, centers: Floats, settled: Ints) -> Ints:
        """Return the group (P,), from 0, of the micro-clusters at `settled` with scaled centers."""
        raise NotImplementedError

    def _more_options(self) -> dict[str, Option]:
        return {}

    def _more_arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def _restore_more(self, saved: Snapshot) -> None:
        """Take over what `_more_arrays` returned; raises ModelError if it is damaged."""

    def _widen_more(self, means: Floats) -> None:
        """Append features, at these even means until now, to what `_more_arrays` returns."""

    def _fresh_space(self, names: Sequence[str]) -> FeatureSpace:
        return FeatureSpace(names, self.scale, self.log, 10.0 * self.half_life_events)

    def _count(self, kind: str, number: int) -> None:
        self._incidents[kind] = self._incidents.get(kind, 0) + number

    def note_offsets(self, partition: Any, offsets: Sequence[int]) -> None:
        """Note whose events come next: the picture names clusters by their partition."""
        self._global_ids.partition = int(partition.partition)

    def predict_batch(
        self, batch: Sequence[BehaviorEvent | GlobalClusterRecord]
    ) -> list[ClusterAssignment | None]:
        """Assign each event to the cluster of its nearest micro-cluster; changes nothing.

        Args:
            batch: B events with finite features, and records of the picture among them.

        Returns:
            B results in input order, None for a record of the picture. `cluster_id` -1 means: no
            cluster exists yet, or the event has none of the model's features (both with distance
            0), or it is an outlier.
        """
        events = [event for event in batch if isinstance(event, BehaviorEvent)]
        if len(events) == len(batch):
            return [*self._assigned(events)]
        assigned = iter(self._assigned(events) if events else [])
        return [next(assigned) if isinstance(event, BehaviorEvent) else None for event in batch]

    def _assigned(self, events: Sequence[BehaviorEvent]) -> list[ClusterAssignment]:
        settled = np.flatnonzero(self._micro.is_settled)
        if not len(settled):
            return [ClusterAssignment(cluster_id=-1, distance=0.0) for _ in events]
        rows = self._rows(events, self._space.names)
        self._memo.remember(events, self._space.names, rows)
        is_placed = ~np.isnan(rows).all(axis=1)
        centers = self._space.scaled(self._micro.means[settled])
        index, squared = nearest(self._space.scaled(rows), centers)
        distances = np.where(is_placed, np.sqrt(squared), 0.0)
        is_near = is_placed & (distances <= self.reach)
        ids = np.where(is_near, self._micro.groups[settled][index], -1).tolist()
        known = self._global_ids.ids
        return [
            ClusterAssignment(cluster_id=i, distance=d, global_id=known.get(i, -1))
            for i, d in zip(ids, distances.tolist(), strict=True)
        ]

    def learn_batch(self, batch: Sequence[BehaviorEvent | GlobalClusterRecord]) -> None:
        """Learn the events of a step, and group the micro-clusters again."""
        events = [event for event in batch if not isinstance(event, GlobalClusterRecord)]
        self._has_learned = self._learn(events) if events else False
        for event in batch:
            if isinstance(event, GlobalClusterRecord):
                self._global_ids.note(event)

    def _learn(self, events: Sequence[BehaviorEvent]) -> bool:
        """Learn events; return False if none has a known feature, and nothing changed."""
        names = self._names_with(events)
        known = len(self._space.names)
        rows = self._memo.take(events, names, self._rows)
        is_placed = ~np.isnan(rows).all(axis=1)
        self._count("no_known_feature", int(np.count_nonzero(~is_placed)))
        rows = rows[is_placed]
        if not len(rows):
            return False
        if len(names) > known:
            self._space.widen(names)
        values = self._space.learn(rows)
        if len(names) > known:
            means = self._space.running.mean[0, known:]
            self._micro.widen(means)
            self._widen_more(means)
        times = self._num_learned + np.arange(len(values), dtype=np.float64)
        self._absorb(values, times)
        self._num_learned += len(values)
        self._num_steps += 1
        self._regroup()
        return True

    def _rows(self, events: Sequence[BehaviorEvent], names: Sequence[str]) -> Floats:
        """Return even values (n, len(names))."""
        space = FeatureSpace(names, self.scale, self.log, 1.0)
        return space.rows([event.features for event in events])

    def _names_with(self, batch: Sequence[BehaviorEvent]) -> list[str]:
        known = self._space.names
        if self._wanted_features is not None or len(known) >= self.max_features:
            return known
        return with_new_names(known, [event.features for event in batch])[: self.max_features]

    def _regroup(self) -> None:
        settled = np.flatnonzero(self._micro.is_settled)
        groups = np.full(len(self._micro), -1, np.int64)
        if len(settled):
            found = self._group(self._space.scaled(self._micro.means[settled]), settled)
            earlier, weights = self._micro.groups[settled], self._micro.weights[settled]
            inherited = inherit_ids(found, weights, earlier, self._next_group)
            groups[settled] = np.array(inherited.ids, np.int64)[found]
            self._next_group = inherited.next_id
        self._micro.groups = groups

    def _limit(self) -> None:
        """Remove the lightest micro-clusters above `max_micro_clusters`, unsettled ones first."""
        excess = len(self._micro) - self.max_micro_clusters
        if excess <= 0:
            return
        order = np.lexsort((self._micro.ids, self._micro.weights, self._micro.is_settled))
        kept = np.ones(len(self._micro), np.bool_)
        kept[order[:excess]] = False
        self._count("evicted_micro_cluster", excess)
        self._keep(kept)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self._micro.keep(kept)

    def take_incidents(self) -> dict[str, int]:
        """Return how many events had no known feature and how many micro-clusters were evicted."""
        incidents, self._incidents = self._incidents, {}
        return incidents

    def update(self) -> ClusterUpdate | None:
        """Return the settled micro-clusters by id after every `publish_every` steps, else None.

        A step without an event is none: the records of the picture bring no update by themselves.
        """
        micro, space = self._micro, self._space
        settled = np.flatnonzero(micro.is_settled)
        is_due = self._has_learned and self._num_steps % self.publish_every == 0
        if not len(settled) or not is_due:
            return None
        names, radii = space.names, np.sqrt(micro.variances(space.unit, settled))
        rows = zip(
            micro.ids[settled].tolist(),
            space.plain(micro.means[settled]).tolist(),
            micro.weights[settled].tolist(),
            radii.tolist(),
            micro.groups[settled].tolist(),
            strict=True,
        )
        unit = space.unit
        end = space.origin + np.where(np.isfinite(unit), unit, 0.0)
        return ClusterUpdate(
            clusters=[
                Cluster(i, dict(zip(names, center, strict=True)), weight, radius, group)
                for i, center, weight, radius, group in rows
            ],
            low=dict(zip(names, space.plain(space.origin).tolist(), strict=True)),
            high=dict(zip(names, space.plain(end).tolist(), strict=True)),
            is_log=self.log,
            reach=self.reach if np.isfinite(self.reach) else 0.0,
        )

    def _options(self) -> dict[str, Option]:
        names = ("max_features", "scale", "log", "half_life_events", "max_micro_clusters")
        shared = {name: getattr(self, name) for name in names}
        return {**shared, "features": self._wanted_features, **self._more_options()}

    def snapshot(self) -> bytes:
        """Return the feature space and the micro-clusters."""
        counts = [self._num_learned, self._num_steps, self._next_group]
        arrays: dict[str, NDArray[Any]] = {
            "counts": np.array([*counts, len(self._micro), self._micro.next_id], np.int64),
            **self._global_ids.arrays(),
            **self._space.arrays(),
            **self._micro.arrays(),
            **self._more_arrays(),
        }
        names = {"features": self._space.names}
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options. The
                model is then unchanged.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        names = saved.list_of("features")
        counts = saved.array("counts", np.zeros(0, np.int64), 5).tolist()
        if len(names) > self.max_features or not 0 <= counts[3] <= self.max_micro_clusters:
            raise ModelError(f"the counts in the snapshot of {self.name} do not fit: it is damaged")
        space, micro = self._fresh_space(names), MicroClusters(len(names))
        space.restore(saved)
        micro.restore(saved, counts[3], counts[4])
        global_ids = GlobalIds.of(saved)
        before = self._space, self._micro
        self._space, self._micro = space, micro
        try:
            self._restore_more(saved)
        except ModelError:
            self._space, self._micro = before
            raise
        self._num_learned, self._num_steps, self._next_group = counts[:3]
        self._global_ids, self._has_learned = global_ids, False
        self._memo = RowMemo()
