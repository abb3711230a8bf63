"""`penstock topics plan|create`: compare a pipeline's topics with the broker's, and create them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import UserError
from agents.pipeline.file import load_pipeline
from agents.pipeline.topics import PlannedTopic, partition_notes, plan_topics
from streams.settings import PipelineSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Plan or create the topics of a pipeline file.",
)

TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the broker.")
]


@app.command("plan")
def plan_command(
    config: ConfigOption = DEFAULT_CONFIG, timeout: TimeoutOption = 5.0, json: JsonOption = False
) -> None:
    """Show which topics exist and which are missing."""
    settings = load_pipeline(config, os.environ)
    plan = _planned(settings, config, timeout)
    _print(settings, plan, [], json, _added_notes(settings, config, plan))


@app.command("create")
def create_command(
    config: ConfigOption = DEFAULT_CONFIG, timeout: TimeoutOption = 15.0, json: JsonOption = False
) -> None:
    """Create the missing topics.

    Topics that exist are not changed.
    """
    from streams.kafka.admin import create_topics

    settings = load_pipeline(config, os.environ)
    plan = _planned(settings, config, timeout)
    try:
        created = create_topics(settings.kafka, {p.topic: p.wanted for p in plan}, timeout)
    except ValueError as error:
        raise UserError(f"{config}: {error}") from error
    _print(settings, _planned(settings, config, timeout), created, json)


def _planned(settings: PipelineSettings, config: Path, timeout: float) -> list[PlannedTopic]:
    from agents.pipeline.topics import learning_agents
    from streams.kafka.admin import probe

    try:
        learning = learning_agents(settings, config.parent)
        return plan_topics(settings, probe(settings.kafka, timeout).topics, learning)
    except ValueError as error:
        raise UserError(str(error)) from error


def _added_notes(settings: PipelineSettings, config: Path, plan: list[PlannedTopic]) -> list[str]:
    from agents.pipeline.added_partitions import added_partition_notes
    from agents.pipeline.topics import learning_agents

    existing = {p.topic: p.partitions for p in plan if p.partitions}
    learning = learning_agents(settings, config.parent)
    return added_partition_notes(settings, config.parent, learning, existing)


def _print(
    settings: PipelineSettings,
    plan: list[PlannedTopic],
    created: list[str],
    as_json: bool,
    added: Sequence[str] = (),
) -> None:
    notes = [*partition_notes(settings, plan), *added]
    if as_json:
        typer.echo(msgspec.json.encode({"topics": plan, "created": created, "notes": notes}))
        return
    columns = ["topic", "role", "agents", "partitions", "state"]
    rows = [
        [p.topic, p.role, ", ".join(p.agents), str(p.partitions or p.wanted.partitions),
         _state(p, created)]
        for p in plan
    ]  # fmt: skip
    print_table(columns, rows)
    for note in notes:
        typer.echo(f"note: {note}")


def _state(planned: PlannedTopic, created: list[str]) -> str:
    if planned.topic in created:
        return "created"
    return "exists" if planned.partitions else "missing"
