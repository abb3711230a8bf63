"""Everything that can be checked of a pipeline before it runs: all problems, not just the first."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from agents.pipeline.parts import AgentParts, choose_devices, load_agent
from agents.pipeline.topics import guarantee_problem, plan_topics
from models.base import ModelError, OnlineModel
from streams.kafka.errors import BrokerError, or_hidden
from streams.model_pool import ModelPool
from streams.settings import AgentSettings, PipelineSettings


class CheckedAgent(msgspec.Struct):
    """One agent as it was found."""

    agent: str
    inputs: list[str]
    output: str
    event: str = "?"
    model: str = "?"
    version: str = ""
    """Known once the model is loaded."""
    is_online: bool = False
    problem: str = ""


class CheckedBroker(msgspec.Struct):
    """The broker as it was found."""

    servers: str
    num_brokers: int = 0
    missing_topics: list[str] = []
    problem: str = ""


def check_agent(
    name: str, settings: AgentSettings, base_dir: Path, is_loading: bool
) -> CheckedAgent:
    """Make an agent's model, and load it if asked to.

    Args:
        name: of the agent.
        settings: of the agent.
        base_dir: the pipeline file's folder.
        is_loading: also read weights and answer made-up input.
    """
    found = CheckedAgent(name, settings.inputs, settings.output)
    try:
        parts = load_agent(settings, base_dir)
        found.event = parts.event_type.__name__
        found.model = parts.model_type.name
        found.is_online = issubclass(parts.model_type, OnlineModel)
        found.version = _try_model(parts, settings, is_loading)
    except ModelError as error:
        found.problem = f"agents.{name}: {error}"
    return found


def _try_model(parts: AgentParts, settings: AgentSettings, is_loading: bool) -> str:
    pool = ModelPool(
        "check", parts.make_model, 1, choose_devices(settings.device, parts.model_type)
    )
    try:
        if not is_loading:
            return ""
        pool.load()
        return pool.version
    except ModelError:
        raise
    except Exception as error:
        # A model of the user's own may raise anything; the other agents are still to be checked.
        raise ModelError(f"loading fails: {type(error).__name__}: {error}") from error
    finally:
        pool.close()


def check_broker(
    settings: PipelineSettings, timeout: float, learning: Collection[str]
) -> CheckedBroker:
    """Ask the broker for its topics and name those of the pipeline that are missing.

    Args:
        settings: of the pipeline.
        timeout: seconds, > 0.
        learning: the agents with online models.
    """
    # confluent-kafka is imported here, so that `--offline` does without it.
    from streams.kafka.admin import probe
    from streams.kafka.settings import aiokafka_arguments

    found = CheckedBroker(str(settings.kafka["bootstrap.servers"]))
    try:
        aiokafka_arguments(settings.kafka, "consumer")
        cluster = probe(settings.kafka, timeout)
    except (BrokerError, ValueError) as error:
        found.problem = str(error)
        return found
    found.num_brokers = cluster.num_brokers
    found.problem = guarantee_problem(settings, cluster)
    found.missing_topics = [
        p.topic for p in plan_topics(settings, cluster.topics, learning) if not p.partitions
    ]
    # The embedded broker makes a topic when it is first asked for.
    if found.missing_topics and not cluster.is_embedded:
        names = ", ".join(found.missing_topics)
        found.problem = (
            f"no topic {names}{or_hidden(settings.kafka)}: make what is missing with "
            "`penstock topics create`"
        )
    return found
