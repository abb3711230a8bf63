"""What must be so before a worker starts: a broker that answers, and every topic."""

from __future__ import annotations

from agents.topic_plan import plan_topics
from streams.kafka_client import BrokerError, ClusterInfo, create_topics, probe
from streams.settings import PipelineSettings


def require_topics(settings: PipelineSettings) -> ClusterInfo:
    """Return the cluster, having seen that it has every topic of the pipeline.

    The embedded broker makes a topic when it is asked for, so there none is ever missing.

    Raises:
        BrokerError: the broker does not answer, or a topic is missing: names it.
    """
    cluster = probe(settings.kafka)
    missing = {
        planned.topic: planned.wanted
        for planned in plan_topics(settings, cluster.topics)
        if not planned.partitions
    }
    if missing and cluster.is_embedded:
        create_topics(settings.kafka, missing)
    elif missing:
        raise BrokerError(
            f"the broker has no topic {', '.join(missing)}: "
            "`penstock topics create` makes what is absent"
        )
    return cluster
