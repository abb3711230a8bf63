"""What happened to the clusters in the course of the run, for a plot."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas import BehaviorEvent, ClusterAssignment, ClusterUpdate, Event, Result

MAX_PENDING = 20_000
MAX_ASSIGNED = 20_000
MAX_UPDATES = 5_000

Floats = NDArray[np.float64]
_Names = tuple[str, ...]


@dataclass(frozen=True)
class Trail:
    """Where one cluster's centre went, in the order of its learning steps."""

    cluster_id: int
    centers: Floats
    """(steps, features)."""
    weight: float
    """At the last step that it was there."""
    is_alive: bool
    """Whether it was there at the end; a cluster that starves makes room for a new one."""


@dataclass(frozen=True)
class ClusterStory:
    """One partition's clusters: each partition has a model of its own."""

    partition: int
    names: _Names
    """Of the features."""
    points: Floats
    """(events, features), in order."""
    cluster_ids: NDArray[np.int64]
    """(events,); -1: no cluster yet."""
    trails: list[Trail]


class ClusterLog:
    """Keeps the latest assignments with their events, and the latest updates."""

    def __init__(self) -> None:
        self._pending: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._assigned: deque[tuple[int, int, dict[str, float]]] = deque(maxlen=MAX_ASSIGNED)
        self._updates: deque[ClusterUpdate] = deque(maxlen=MAX_UPDATES)
        self._lock = threading.Lock()

    def sent(self, event: Event) -> None:
        """Keep an event until its assignment comes."""
        if not isinstance(event, BehaviorEvent):
            return
        with self._lock:
            self._pending[event.event_id] = event.features
            if len(self._pending) > MAX_PENDING:
                self._pending.popitem(last=False)

    def answered(self, result: Result) -> None:
        """Join an assignment with its event; keep an update."""
        with self._lock:
            if isinstance(result, ClusterUpdate):
                self._updates.append(result)
            elif isinstance(result, ClusterAssignment):
                features = self._pending.pop(result.event_id, None)
                if features is not None:
                    row = (result.origin.partition, result.cluster_id, features)
                    self._assigned.append(row)

    def story(self) -> ClusterStory | None:
        """Return the busiest partition's clusters over its commonest features; None: no events."""
        with self._lock:
            assigned, updates = list(self._assigned), list(self._updates)
        kinds = Counter((partition, tuple(sorted(f))) for partition, _, f in assigned)
        if not kinds:
            return None
        (partition, names), _ = kinds.most_common(1)[0]
        rows = [
            (cluster_id, [features[name] for name in names])
            for p, cluster_id, features in assigned
            if p == partition and features.keys() == set(names)
        ]
        return ClusterStory(
            partition=partition,
            names=names,
            points=np.array([row for _, row in rows], dtype=np.float64),
            cluster_ids=np.array([cluster_id for cluster_id, _ in rows], dtype=np.int64),
            trails=_trails([u for u in updates if u.partition == partition], names),
        )


def _trails(updates: list[ClusterUpdate], names: _Names) -> list[Trail]:
    centers: dict[int, list[list[float]]] = {}
    last: dict[int, tuple[int, float]] = {}
    updates.sort(key=lambda update: update.sequence)
    for update in updates:
        for cluster in update.clusters:
            if all(name in cluster.center for name in names):
                row = [cluster.center[name] for name in names]
                centers.setdefault(cluster.cluster_id, []).append(row)
                last[cluster.cluster_id] = update.sequence, cluster.weight
    return [
        Trail(
            cluster_id,
            np.array(rows, dtype=np.float64),
            weight=last[cluster_id][1],
            is_alive=last[cluster_id][0] == updates[-1].sequence,
        )
        for cluster_id, rows in sorted(centers.items())
    ]
