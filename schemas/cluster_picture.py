"""One picture of the clusters of all partitions: its input and what it publishes."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from schemas.cluster import Cluster
from schemas.errors import SchemaError
from schemas.event import Event, FiniteFloat, Label, Result

_Features = Annotated[dict[str, FiniteFloat], Meta(max_length=1024)]


class ClusterReport(Event, frozen=True, kw_only=True):
    """The value of a `ClusterUpdate`, read as an event: an `updates` topic feeds another agent."""

    agent: Label = ""
    partition: Annotated[int, Meta(ge=-1, lt=2**31)] = -1
    sequence: Annotated[int, Meta(ge=-1, lt=2**53)] = -1
    clusters: Annotated[list[Cluster], Meta(max_length=4096)]
    low: _Features = msgspec.field(default_factory=dict)
    high: _Features = msgspec.field(default_factory=dict)
    is_log: bool = False
    reach: Annotated[float, Meta(ge=0, le=1e300)] = 0.0

    def validate(self) -> None:
        """Check that every number is finite and no weight negative.

        Raises:
            SchemaError: one is not; the message names the cluster.
        """
        for cluster in self.clusters:
            numbers = [cluster.weight, cluster.radius, *cluster.center.values()]
            if not all(map(math.isfinite, numbers)) or cluster.weight < 0:
                raise SchemaError(
                    f"cluster {cluster.cluster_id}: expected finite numbers and a weight of 0 or "
                    "more"
                )

    @classmethod
    def example(cls) -> Self:
        """Return the report of a partition with one cluster."""
        return cls(
            source_id="cluster_behavior:0",
            event_time_ms=1_700_000_000_000,
            event_id="cluster_behavior:0:7",
            agent="cluster_behavior",
            partition=0,
            sequence=7,
            clusters=[Cluster(3, {"pages": 12.0, "seconds": 340.0}, 120.0, 0.1, 1)],
            low={"pages": 0.0, "seconds": 0.0},
            high={"pages": 40.0, "seconds": 900.0},
            is_log=True,
            reach=0.8,
        )


class Member(msgspec.Struct, frozen=True):
    """A cluster of one partition that is part of a global one."""

    agent: str
    partition: int
    cluster_id: int
    """As in the `ClusterAssignment`s of that partition."""


class GlobalCluster(Result, kw_only=True):
    """A cluster over all partitions, at each change; its record's key is its id.

    `origin` names the update that brought the change.
    """

    global_id: int
    """From 0; never used twice."""
    status: Literal["born", "split", "merged", "changed", "died"]
    """`born`: new; `split`: new, from the one in `from_ids`; `merged`: took in those in `from_ids`;
    `changed`: moved, grew, shrank or has other members; `died`: the last record of this id."""
    weight: float
    """Sum of the weights of its micro-clusters as last reported."""
    center: dict[str, float]
    """Feature name to value, in the units of the events."""
    radius: float
    """Root mean squared distance of its events from the center, in the scaled space."""
    drift: float = 0.0
    """Scaled distance of the center from where it was in this id's record before."""
    members: list[Member]
    """The clusters of the partitions that it consists of: they map an assignment to its id."""
    from_ids: list[int] = msgspec.field(default_factory=list)
    into_id: int = -1
    """With `died`: the cluster that took in most of it; -1: none."""

    def record_key(self) -> str:
        """Return the id, so that a compacted topic keeps the latest of each cluster."""
        return str(self.global_id)


class GlobalClusterRecord(Event, frozen=True, kw_only=True):
    """The value of a `GlobalCluster`, read as an event: the picture in an agent's own input."""

    global_id: Annotated[int, Meta(ge=0, lt=2**53)]
    status: Literal["born", "split", "merged", "changed", "died"]
    weight: FiniteFloat
    center: _Features
    radius: FiniteFloat
    drift: FiniteFloat = 0.0
    members: Annotated[list[Member], Meta(max_length=10_000)]
    from_ids: Annotated[list[int], Meta(max_length=10_000)] = msgspec.field(default_factory=list)
    into_id: int = -1

    @classmethod
    def example(cls) -> Self:
        """Return a cluster with every field set; `into_id` is of one that died."""
        return cls(
            source_id="cluster_behavior:0",
            event_time_ms=1_700_000_000_000,
            event_id="cluster_behavior:0:7",
            global_id=4,
            status="merged",
            weight=120.0,
            center={"pages": 12.0, "seconds": 340.0},
            radius=0.1,
            drift=0.2,
            members=[Member("cluster_behavior", 0, 1), Member("cluster_behavior", 3, 2)],
            from_ids=[2],
            into_id=7,
        )
