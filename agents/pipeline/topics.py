"""Which topics a pipeline needs, and how the cluster's compare with that."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from streams.settings import PipelineSettings, TopicSettings
from streams.state.topic_store import TOPIC_CONFIG


class PlannedTopic(msgspec.Struct, frozen=True):
    """One topic of a pipeline file."""

    topic: str
    role: str
    """`input`, `output`, `updates`, `dead letters` or `state`; the first that holds."""
    agents: list[str]
    """Which read or write it."""
    wanted: TopicSettings
    """What `topics create` makes if it is absent."""
    partitions: int = 0
    """How many the cluster has; 0: the topic is absent."""


def plan_topics(
    settings: PipelineSettings, existing: Mapping[str, int], learning: Collection[str] = ()
) -> list[PlannedTopic]:
    """Return every topic of a pipeline, inputs first, in the order of the file.

    Args:
        settings: of the pipeline.
        existing: the cluster's topics and their numbers of partitions.
        learning: agents with online models, whose state may need a topic.
    """
    roles, agents = _topics(settings)
    default = settings.topics.get("default", TopicSettings())
    plan = [
        PlannedTopic(
            topic,
            role,
            agents[topic],
            settings.topics.get(topic, default),
            existing.get(topic, 0),
        )
        for topic, role in roles.items()
    ]
    if settings.state.store == "topic":
        inputs = {p.topic: p.partitions or p.wanted.partitions for p in plan}
        plan += [_state_topic(settings, name, inputs, existing) for name in learning]
    return plan


def _state_topic(
    settings: PipelineSettings, agent: str, inputs: Mapping[str, int], existing: Mapping[str, int]
) -> PlannedTopic:
    """Plan a topic for snapshots: compacted, with the partitions of the agent's input."""
    topic = settings.state_topic(agent)
    partitions = max(inputs[topic] for topic in settings.agents[agent].inputs)
    own = settings.topics.get(topic)
    if own is None:
        default = settings.topics.get("default", TopicSettings())
        own = TopicSettings(partitions=partitions, replication_factor=default.replication_factor)
    wanted = msgspec.structs.replace(own, config={**TOPIC_CONFIG, **own.config})
    return PlannedTopic(topic, "state", [agent], wanted, existing.get(topic, 0))


def _topics(settings: PipelineSettings) -> tuple[dict[str, str], dict[str, list[str]]]:
    roles: dict[str, str] = {}
    agents: dict[str, list[str]] = {}
    for role in ("input", "output", "updates", "dead letters"):
        for name, agent in settings.agents.items():
            by_role = {
                "input": agent.inputs,
                "output": [agent.output],
                "updates": [agent.updates] if agent.updates else [],
                "dead letters": agent.dead_letter_topics,
            }
            for topic in by_role[role]:
                roles.setdefault(topic, role)
                agents.setdefault(topic, []).append(name)
    return roles, agents


def partition_notes(settings: PipelineSettings, plan: list[PlannedTopic]) -> list[str]:
    """Return a sentence for each output with another number of partitions than its input.

    Not a mistake: a key's results still share a partition. But whoever joins the two topics by
    partition should know.
    """
    partitions = {p.topic: p.partitions or p.wanted.partitions for p in plan}
    return [
        f"{agent.output} has {partitions[agent.output]} partitions and {topic} has "
        f"{partitions[topic]}: a result goes to its input's partition modulo "
        f"{partitions[agent.output]}"
        for agent in settings.agents.values()
        for topic in agent.inputs
        if partitions[agent.output] != partitions[topic]
    ]
