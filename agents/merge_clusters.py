"""Updates of the clusters of each partition in; one picture of the clusters of all, out."""

from streams.settings import AgentSettings, BatchSettings

MERGE_CLUSTERS = AgentSettings(
    input="behavior.cluster_updates",
    output="behavior.global_clusters",
    event="ClusterReport",
    model="merge_clusters",
    answers="sometimes",
    batch=BatchSettings(max_batch_size=64, max_wait_seconds=0.02),
)
