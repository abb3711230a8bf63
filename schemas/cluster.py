"""Clusters of behavior that move as the stream does."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class ClusterAssignment(Result, kw_only=True):
    """The cluster that one event falls into."""

    cluster_id: int
    """Stable for the life of the cluster; from 0. -1: no cluster formed yet."""
    distance: float
    """To the cluster's center, >= 0, in the model's scaled feature space."""


class Cluster(msgspec.Struct, frozen=True):
    """One cluster as it stands."""

    cluster_id: int
    center: dict[str, float]
    """Feature name to value, in the features' own units."""
    weight: float
    """Decayed number of events that it holds, >= 0."""


class ClusterUpdate(Result, kw_only=True):
    """The moving centers of one agent's partition: a global result, answering no single record.

    `origin` names the record that completed the learning step; `sequence` counts the steps.
    """

    agent: str = ""
    partition: int = -1
    sequence: int = -1
    clusters: list[Cluster]
