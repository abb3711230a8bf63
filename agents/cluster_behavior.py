"""Behavior events in; the cluster of each one out, and the clusters as they move."""

from streams.settings import AgentSettings, BatchSettings

CLUSTER_BEHAVIOR = AgentSettings(
    input="behavior.events",
    output="behavior.clusters",
    updates="behavior.cluster_updates",
    event="BehaviorEvent",
    model="online_kmeans",
    batch=BatchSettings(max_batch_size=1024, max_wait_seconds=0.02),
)
