"""`penstock check`: check a pipeline file, its models and its broker before anything runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import EXIT_CODE, error_lines, printable
from agents.pipeline.file import load_pipeline
from agents.pipeline.parts import AgentParts, choose_devices, load_agent
from agents.pipeline.topics import guarantee_problem, plan_topics
from models.base import ModelError, OnlineModel
from schemas.errors import Unavailable
from streams.kafka.errors import BrokerError, or_hidden
from streams.model_pool import ModelPool
from streams.settings import AgentSettings, PipelineSettings

if TYPE_CHECKING:
    from agents.commands.sample.report import SampledInput


class CheckedAgent(msgspec.Struct):
    """What the check of one agent found."""

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
    """What the check of the broker found."""

    servers: str
    num_brokers: int = 0
    missing_topics: list[str] = []
    notes: list[str] = []
    """What is no mistake, but should be known."""
    problem: str = ""
    warnings: list[str] = []
    """What may be a mistake: another pipeline's workers in the same group."""


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    load: Annotated[
        bool, typer.Option("--load", help="Also load each model and run it once.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not connect to the broker.")
    ] = False,
    sample: Annotated[
        int,
        typer.Option(min=0, max=100_000, help="Also read this many records of each input."),
    ] = 0,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the broker.")] = 5.0,
    json: JsonOption = False,
) -> None:
    """Check a pipeline file, its models and its broker.

    With --sample, shows what the newest records of each input become: events beside their values,
    dead letters and why, implausible times, and paths that match nothing.

    Reports all problems, not just the first. The exit code is 2 if there are any.
    """
    settings = load_pipeline(config, os.environ)
    agents = [check_agent(n, a, config.parent, load) for n, a in settings.agents.items()]
    learning = [a.agent for a in agents if a.is_online]
    broker = None if offline else check_broker(settings, timeout, learning, config.parent)
    problems = [f"{config}: {a.problem}" for a in agents if a.problem]
    problems += [broker.problem] if broker and broker.problem else []
    if not offline:
        problems += check_registry(settings, config.parent)
    samples: list[SampledInput] = []
    if sample and broker and broker.num_brokers:
        absent = broker.missing_topics
        samples = check_samples(config, settings, agents, sample, timeout, absent)
        problems += [problem for sampled in samples for problem in sampled.problems]
    if json:
        document = {"ok": not problems, "problems": problems, "agents": agents, "broker": broker}
        document |= {"samples": samples} if sample else {}
        typer.echo(msgspec.json.encode(document))
    else:
        if samples:
            from agents.commands.sample.report import print_samples

            print_samples(samples)
        _print_tables(config, agents, broker, problems)
    if problems:
        raise typer.Exit(EXIT_CODE)


def check_samples(
    config: Path,
    settings: PipelineSettings,
    agents: Sequence[CheckedAgent],
    count: int,
    timeout: float,
    absent: Collection[str] = (),
) -> list[SampledInput]:
    """Read and decode the newest records of each input of the agents without a problem.

    Topics that are `absent` are left out. Output topics need not exist yet: a sample is looked at
    before anything is created.
    """
    # Imported here, so that `--offline` works without confluent-kafka.
    from agents.commands.sample.report import sample_input

    return [
        sample_input(config, settings, checked.agent, topic, parts, count, timeout)
        for checked in agents
        if not checked.problem
        for parts in [_sampled_parts(settings, checked.agent, config.parent)]
        for topic in checked.inputs
        if topic not in absent
    ]


def _sampled_parts(settings: PipelineSettings, agent: str, base_dir: Path) -> AgentParts:
    is_checking = settings.registry is not None and settings.registry.check_json
    return load_agent(settings.agents[agent], base_dir, is_checking_json=is_checking)


def check_registry(settings: PipelineSettings, base_dir: Path) -> list[str]:
    """Return what is wrong with the schema registry: not there, or it lacks an output's schema."""
    from agents.commands.schemas.register import pipeline_schemas
    from agents.pipeline.registry_outputs import missing
    from agents.pipeline.schemas import make_client, uses_registry
    from streams.registry.errors import RegistryError

    if not uses_registry(settings):
        return []
    try:
        with make_client(settings.registry) as client:
            client.probe()
            return [
                str(missing(written))
                for written in pipeline_schemas(settings, base_dir)
                if client.id_of(written.subject, written.schema) is None
            ]
    except RegistryError as error:
        return [str(error)]
    except ModelError:  # reported for its agent
        return []


def check_agent(
    name: str, settings: AgentSettings, base_dir: Path, is_loading: bool
) -> CheckedAgent:
    """Create an agent's model, and load it if asked to.

    Args:
        name: of the agent.
        settings: of the agent.
        base_dir: the pipeline file's folder.
        is_loading: also read the weights and answer generated input.
    """
    checked = CheckedAgent(name, settings.inputs, settings.output)
    try:
        parts = load_agent(settings, base_dir)
        checked.event = parts.event_type.__name__
        checked.model = parts.model_type.name
        checked.is_online = issubclass(parts.model_type, OnlineModel)
        checked.version = _try_model(parts, settings, is_loading)
    except ModelError as error:
        checked.problem = f"agents.{name}: {error}"
    return checked


def _try_model(parts: AgentParts, settings: AgentSettings, is_loading: bool) -> str:
    """Return the model's version if it is loaded, else ""."""
    pool = ModelPool(
        "check", parts.make_model, 1, choose_devices(settings.device, parts.model_type)
    )
    try:
        if not is_loading:
            return ""
        pool.load(is_waiting=False)
        return pool.version
    except ModelError:
        raise
    except Unavailable as error:
        raise ModelError(f"{error}: a worker would wait for it") from error
    except Exception as error:
        # A user's model may raise anything, and the other agents must still be checked.
        raise ModelError(f"loading fails: {type(error).__name__}: {error}") from error
    finally:
        pool.close()


def check_broker(
    settings: PipelineSettings, timeout: float, learning: Collection[str], base_dir: Path
) -> CheckedBroker:
    """Read the broker's topics and name those of the pipeline that are missing.

    Args:
        settings: of the pipeline.
        timeout: seconds, > 0.
        learning: the agents with online models.
        base_dir: the pipeline file's folder.
    """
    # Imported here, so that `--offline` works without confluent-kafka.
    from agents.pipeline.added_partitions import added_partition_notes
    from streams.kafka.admin import probe
    from streams.kafka.settings import aiokafka_arguments

    checked = CheckedBroker(str(settings.kafka["bootstrap.servers"]))
    try:
        aiokafka_arguments(settings.kafka, "consumer")
        cluster = probe(settings.kafka, timeout)
    except (BrokerError, ValueError) as error:
        checked.problem = str(error)
        return checked
    checked.num_brokers = cluster.num_brokers
    checked.warnings = foreign_members(settings)
    checked.problem = guarantee_problem(settings, cluster)
    checked.missing_topics = [
        p.topic for p in plan_topics(settings, cluster.topics, learning) if not p.partitions
    ]
    # The embedded broker creates topics on first use.
    if checked.missing_topics and not cluster.is_embedded:
        names = ", ".join(checked.missing_topics)
        checked.problem = (
            f"no topic {names}{or_hidden(settings.kafka)}: create missing topics with "
            "`penstock topics create`"
        )
    if not checked.problem:
        checked.notes = added_partition_notes(settings, base_dir, learning, cluster.topics)
    return checked


def foreign_members(settings: PipelineSettings) -> list[str]:
    """Return a sentence for each member of the group that runs another pipeline."""
    from aiokafka.errors import KafkaError

    from streams.kafka.group_members import Membership, group_members, strangers

    try:
        members = asyncio.run(group_members(settings.kafka, settings.group))
    except (KafkaError, TimeoutError, NotImplementedError):
        return []  # the embedded broker, or no permission to describe the group
    inputs = {topic for agent in settings.agents.values() for topic in agent.inputs}
    return list(strangers(members, Membership.of(settings), inputs).values())


def _print_tables(
    config: Path, agents: list[CheckedAgent], broker: CheckedBroker | None, problems: list[str]
) -> None:
    rows = [
        [a.agent, f"{', '.join(a.inputs)} -> {a.output}", a.event, f"{a.model} {a.version}".strip(),
         "problem" if a.problem else "ok"]
        for a in agents
    ]  # fmt: skip
    print_table(["agent", "topics", "event", "model", "state"], rows)
    if broker:
        state = f"{broker.num_brokers} brokers" if broker.num_brokers else "not reached"
        typer.echo(f"broker {broker.servers}: {state}")
        for note in broker.notes:
            typer.echo(f"note: {note}")
    for warning in broker.warnings if broker else []:
        typer.echo(f"penstock: warning: {printable(warning)}", err=True)
    for problem in problems:
        typer.echo("\n".join(error_lines(ValueError(problem))), err=True)
    if not problems:
        typer.echo(f"{config}: ok")
