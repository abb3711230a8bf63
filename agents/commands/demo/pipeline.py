"""Write the pipeline file of a run: the agents that Penstock ships, on the run's topics."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents import AGENTS
from agents.commands.demo.inputs import Inputs
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
}
_TOPIC_KEYS = ("input", "output", "updates")
_PREFIX = "PENSTOCK_"
_KAFKA_PREFIX = "PENSTOCK_KAFKA__"
_SET_BY_DEMO = {f"{_KAFKA_PREFIX}BOOTSTRAP_SERVERS", f"{_KAFKA_PREFIX}GROUP_ID"}


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
    document = {
        "kafka": dict(kafka),
        "agents": {AGENT_OF[kind]: _agent(kind, inputs, topic_prefix) for kind in inputs.by_kind},
        "topics": {"default": {"partitions": 4}},
        "state": {"store": "none"},  # the run is never resumed
        "metrics": {"port": 0},  # a free port: several demos may run at once
    }
    path.write_text(write_document(document))


def _agent(kind: Kind, inputs: Inputs, topic_prefix: str) -> dict[str, Any]:
    agent = declared_values(AGENTS[AGENT_OF[kind]])
    topics = {key: topic_prefix + agent[key] for key in _TOPIC_KEYS if key in agent}
    model = inputs.models.get(kind, agent["model"])
    return {**agent, **topics, "model": model}


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
