"""The topics and stores that a pipeline needs: planned, compared with the cluster, required."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from agents.pipeline.parts import load_agent
from models.base import ModelError, OnlineModel
from streams.kafka.admin import ClusterInfo, create_topics, probe
from streams.kafka.errors import BrokerError, or_hidden
from streams.settings import EXACTLY_ONCE, PipelineSettings, TopicSettings
from streams.state.folder_store import FolderStore
from streams.state.snapshot import StateStore, StateStoreError
from streams.state.topic_store import TOPIC_CONFIG, TopicStore


class PlannedTopic(msgspec.Struct, frozen=True):
    """One topic of a pipeline file."""

    topic: str
    role: str
    """`input`, `output`, `updates`, `dead letters` or `state`: the first that applies."""
    agents: list[str]
    """The agents that read or write it."""
    wanted: TopicSettings
    """How `topics create` makes it if it is absent."""
    partitions: int = 0
    """The number that the cluster has; 0: the topic is absent."""


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
    stated = settings.topics.get(topic)
    if stated is None:
        default = settings.topics.get("default", TopicSettings())
        stated = TopicSettings(partitions=partitions, replication_factor=default.replication_factor)
    wanted = dataclasses.replace(stated, config={**TOPIC_CONFIG, **stated.config})
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
    """Return a sentence for each output or state topic with other partitions than its input.

    It is not a mistake: a key's results still share a partition, and every partition's state has a
    place. But whoever joins topics by partition should know, and state is spread unevenly.
    """
    partitions = {p.topic: p.partitions or p.wanted.partitions for p in plan}
    return _output_notes(settings, partitions) + [
        f"{p.topic} has {p.partitions} partitions and {topic} has {partitions[topic]}: state of "
        f"several partitions shares one; give it {partitions[topic]} to spread it evenly"
        for p in plan
        if p.role == "state" and p.partitions
        for topic in settings.agents[p.agents[0]].inputs
        if p.partitions < partitions[topic]
    ]


def _output_notes(settings: PipelineSettings, partitions: Mapping[str, int]) -> list[str]:
    return [
        f"{agent.output} has {partitions[agent.output]} partitions and {topic} has "
        f"{partitions[topic]}: a result goes to its input's partition modulo "
        f"{partitions[agent.output]}"
        for agent in settings.agents.values()
        for topic in agent.inputs
        if partitions[agent.output] != partitions[topic]
    ]


def require_topics(settings: PipelineSettings, learning: Collection[str]) -> ClusterInfo:
    """Check that the cluster has every topic of the pipeline, and return the cluster.

    On the embedded broker, which makes a topic on first use, missing topics are made.

    Args:
        settings: of the pipeline.
        learning: its agents with online models.

    Raises:
        BrokerError: the broker does not answer, a topic is missing (names it), or the broker
            can't give the pipeline's guarantee.
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
            "make it with `penstock topics create`"
        )
    return cluster


def guarantee_problem(settings: PipelineSettings, cluster: ClusterInfo) -> str:
    """Return why a cluster can't give the pipeline's guarantee; "" where it can."""
    if settings.guarantee == EXACTLY_ONCE and cluster.is_embedded:
        return (
            "guarantee: exactly_once needs Apache Kafka: the embedded broker shows records of "
            "aborted transactions; use `penstock broker kafka`, or at_least_once"
        )
    return ""


def make_store(settings: PipelineSettings) -> StateStore | None:
    """Return the store that `state.store` names, None for `none`; it connects later.

    Raises:
        ModelError: the store's URL can't be used.
    """
    where = settings.state.store
    if where == "none":
        return None
    if where == "topic":
        topics = {agent: settings.state_topic(agent) for agent in settings.agents}
        return TopicStore(settings.kafka, topics)
    try:
        return FolderStore(where, settings.group)
    except StateStoreError as error:
        raise ModelError(str(error)) from error


def learning_agents(settings: PipelineSettings, base_dir: Path) -> list[str]:
    """Return the agents whose models learn, importing their classes but loading none.

    Raises:
        ModelError: a model that is named does not exist.
    """
    learning = []
    for name, agent in settings.agents.items():
        try:
            model_type = load_agent(agent, base_dir).model_type
        except ModelError as error:
            raise ModelError(f"agent {name}: {error}") from error
        if issubclass(model_type, OnlineModel):
            learning.append(name)
    return learning
