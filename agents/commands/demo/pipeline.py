"""Write the pipeline file of a run: the agents that Penstock ships, on the run's topics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents import AGENTS
from agents.commands.demo.inputs import Input, Inputs
from agents.commands.demo.spoken_alerts import READS, speaking_agents
from agents.commands.produce.sources.source import Kind
from agents.pipeline.file import declared_values, load_pipeline
from agents.pipeline.yaml_lines import write_document
from streams.settings import PipelineSettings

#: Kind of event -> the agent that reads it.
AGENT_OF: dict[Kind, str] = {
    "video": "detect_objects",
    "text": "understand_text",
    "sensor": "score_anomalies",
    "behavior": "cluster_behavior",
    "interaction": "recommend_items",
}
#: Agent -> the agent whose results it reads.
CHAINED: dict[str, str] = {"track_objects": "detect_objects"}
_TOPIC_KEYS = ("input", "output", "updates")
_PREFIX = "PENSTOCK_"
_KAFKA_PREFIX = "PENSTOCK_KAFKA__"
_SET_BY_DEMO = {f"{_KAFKA_PREFIX}BOOTSTRAP_SERVERS", f"{_KAFKA_PREFIX}GROUP_ID"}


def feeds(inputs: Inputs) -> dict[str, Input]:
    """Return the events that are published for each agent."""
    return {
        **{AGENT_OF[kind]: source for kind, source in inputs.by_kind.items()},
        **inputs.pictures,
    }


def chained(inputs: Inputs) -> dict[str, str]:
    """Return which agent of a run reads the results of which, each after the one that it reads."""
    fed = feeds(inputs)
    found = {agent: source for agent, source in CHAINED.items() if source in fed}
    if "score_anomalies" in fed:
        found |= READS
    return found


def write_pipeline(
    path: Path, inputs: Inputs, kafka: Mapping[str, str | int], topic_prefix: str = ""
) -> None:
    """Write the pipeline file of a run.

    Args:
        path: of the file; its folder exists.
        inputs: decide which agents run, and with which models.
        kafka: client settings, at least `bootstrap.servers` and `group.id`.
        topic_prefix: start of each topic's name.
    """
    models = {AGENT_OF[kind]: model for kind, model in inputs.models.items()}
    models |= inputs.picture_models
    declared = {agent: declared_values(settings) for agent, settings in AGENTS.items()}
    declared |= speaking_agents()
    document = {
        "kafka": dict(kafka),
        "agents": {
            agent: _agent(declared[agent], models.get(agent), topic_prefix)
            for agent in (*feeds(inputs), *chained(inputs))
        },
        "topics": {"default": {"partitions": 4}},
        "state": {"store": "none"},  # the run is never resumed
        "metrics": {"port": 0},  # a free port: several demos may run at once
    }
    path.write_text(write_document(document))


def _agent(
    agent: dict[str, Any], model: dict[str, Any] | None, topic_prefix: str
) -> dict[str, Any]:
    topics = {key: topic_prefix + agent[key] for key in _TOPIC_KEYS if key in agent}
    return {**agent, **topics, "model": model or agent["model"]}


def run_environment(starts_broker: bool) -> dict[str, str]:
    """Return the engine's environment: the user's, without settings that would change the run.

    Args:
        starts_broker: whether the demo starts the broker. Settings for the user's cluster
            (passwords, certificates) apply only to that cluster.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    if starts_broker:
        return plain
    kafka = {name: value for name, value in os.environ.items() if name.startswith(_KAFKA_PREFIX)}
    return plain | {name: value for name, value in kafka.items() if name not in _SET_BY_DEMO}


def load_run(path: Path, environment: Mapping[str, str]) -> PipelineSettings:
    """Return the settings that the engine will load."""
    return load_pipeline(path, environment)
