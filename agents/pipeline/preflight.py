"""What must be so before a worker starts: a broker that answers, and every topic."""

from __future__ import annotations

from collections.abc import Collection

from agents.pipeline.topics import plan_topics
from streams.kafka.admin import ClusterInfo, create_topics, probe
from streams.kafka.errors import BrokerError, or_hidden
from streams.settings import EXACTLY_ONCE, PipelineSettings


def require_topics(settings: PipelineSettings, learning: Collection[str]) -> ClusterInfo:
    """Return the cluster, having seen that it has every topic of the pipeline.

    The embedded broker makes a topic when it is asked for, so there none is ever missing.

    Args:
        settings: of the pipeline.
        learning: its agents with online models.

    Raises:
        BrokerError: the broker does not answer, a topic is missing (names it), or the broker
            can't give what the pipeline guarantees.
    """
    cluster = probe(settings.kafka)
    if problem := guarantee_problem(settings, cluster):
        raise BrokerError(problem)
    missing = {
        planned.topic: planned.wanted
        for planned in plan_topics(settings, cluster.topics, learning)
        if not planned.partitions
    }
    if missing and cluster.is_embedded:
        create_topics(settings.kafka, missing)
    elif missing:
        raise BrokerError(
            f"the broker has no topic {', '.join(missing)}{or_hidden(settings.kafka)}: "
            "`penstock topics create` makes what is absent"
        )
    return cluster


def guarantee_problem(settings: PipelineSettings, cluster: ClusterInfo) -> str:
    """Return why a cluster can't give the pipeline's guarantee; "" where it can."""
    if settings.guarantee == EXACTLY_ONCE and cluster.is_embedded:
        return (
            "guarantee: exactly_once needs Apache Kafka: the embedded broker shows what "
            "transactions took back; take `penstock broker kafka`, or at_least_once"
        )
    return ""
