"""Notes on partitions that were added to the inputs of agents that learn."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from agents.pipeline.parts import load_agent
from models.keyed_state import KeyedState
from streams.kafka.admin import topic_ids
from streams.kafka.errors import BrokerError
from streams.kafka.positions import is_same_topic
from streams.kafka.reader import TopicReader
from streams.settings import PipelineSettings


def added_partition_notes(
    settings: PipelineSettings,
    base_dir: Path,
    learning: Collection[str],
    existing: Mapping[str, int],
) -> list[str]:
    """Return a sentence for each input whose learned state may be in the wrong partitions.

    Agents whose model can't be taken apart by source are left out: there is nothing to move.

    Args:
        settings: of the pipeline.
        base_dir: the pipeline file's folder.
        learning: agents with online models.
        existing: the broker's topics, and how many partitions each has.
    """
    inputs = {
        topic: name
        for name in learning
        if issubclass(load_agent(settings.agents[name], base_dir).model_type, KeyedState)
        for topic in settings.agents[name].inputs
        if topic in existing
    }
    if settings.state.store == "none" or not inputs:
        return []
    try:
        ids = topic_ids(settings.kafka, list(inputs))
        with TopicReader(settings.kafka, settings.group) as reader:
            began_with = {
                topic: _began_with(reader, topic, ids[topic], existing[topic]) for topic in inputs
            }
    except BrokerError as error:
        return [f"whether partitions were added to the inputs is not known: {error}"]
    return [
        f"{topic} had {began_with[topic]} partitions when group {settings.group} began to read "
        f"it, and has {existing[topic]} now: what {agent} has learned about a key stays in the "
        f"key's old partition until `penstock state rekey --agent {agent}` moves it"
        for topic, agent in inputs.items()
        if 0 < began_with[topic] < existing[topic]
    ]


def _began_with(reader: TopicReader, topic: str, topic_id: str, num_partitions: int) -> int:
    """Return what the group's commits say; 0 if they say nothing."""
    positions = reader.committed_positions(topic, num_partitions)
    stated = [p.began_with for p in positions if is_same_topic(p.topic_id, topic_id)]
    return min(filter(None, stated), default=0)
