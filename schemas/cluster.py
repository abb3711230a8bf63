"""Clusters of behavior, which move with the stream."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class ClusterAssignment(Result, kw_only=True):
    """The cluster that one event belongs to."""

    cluster_id: int
    """From 0, the same for the life of the cluster. -1: no cluster exists yet, or an outlier."""
    distance: float
    """Distance to the cluster's center, >= 0, in the model's scaled feature space."""
    global_id: int = -1
    """The cluster in the picture of all partitions, as far as the picture is in the partition's
    own log; -1: not known, or no cluster."""


class Cluster(msgspec.Struct, frozen=True):
    """One cluster at the time of an update."""

    cluster_id: int
    center: dict[str, float]
    """Feature name to value, in the units of the events."""
    weight: float
    """Number of its events, older ones counting less, >= 0."""
    radius: float = 0.0
    """Of a micro-cluster: root mean squared distance of its events from the center, scaled."""
    group: int = -1
    """Of a micro-cluster: the `cluster_id` that assignments name. -1: this is a whole cluster."""


class ClusterUpdate(Result, kw_only=True):
    """The cluster centers of one partition after a learning step; it answers no single record.

    `origin` names the record that completed the learning step; `sequence` counts the steps.
    """

    agent: str = ""
    partition: int = -1
    sequence: int = -1
    clusters: list[Cluster]
    low: dict[str, float] = msgspec.field(default_factory=dict)
    """Where the model's scale has 0, by feature, in the units of the events. Empty: not stated."""
    high: dict[str, float] = msgspec.field(default_factory=dict)
    """Where the model's scale has 1. The same as `low`: the feature is constant."""
    is_log: bool = False
    """Whether the model takes sign(x) * log(1 + |x|) before it scales."""
    reach: float = 0.0
    """Scaled distance up to which two micro-clusters are of one cluster; 0: whole clusters."""
