"""`penstock offsets show|reset`: the committed offsets of a pipeline's group."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import (
    DEFAULT_CONFIG,
    MOMENT_HELP,
    ConfigOption,
    JsonOption,
    moment_ms,
    print_table,
)
from agents.pipeline.file import load_pipeline

if TYPE_CHECKING:
    from agents.commands.offsets.moving import PartitionOffsets

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show or reset the committed offsets of a pipeline's group.",
)

AgentOption = Annotated[
    list[str] | None, typer.Option("--agent", help="Only this agent's input; repeatable.")
]
PartitionOption = Annotated[
    int | None, typer.Option("--partition", min=0, help="Only partitions of this number.")
]
TimeoutOption = Annotated[
    float, typer.Option(min=0.1, help="Seconds to wait for each answer of the broker.")
]


@app.command("show")
def show_command(
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    partition: PartitionOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Show what each input partition has, and where the group stands."""
    from agents.commands.offsets.moving import GroupOffsetsOfPipeline

    offsets = GroupOffsetsOfPipeline(load_pipeline(config, os.environ), agent or (), timeout)
    found = offsets.read(partition)
    if json:
        typer.echo(msgspec.json.encode({"group": offsets.group, "partitions": found}))
        return
    columns = ["agent", "topic", "partition", "oldest", "committed", "end"]
    print_table(
        columns,
        [
            [p.agent, p.topic, str(p.partition), str(p.oldest), _or_none(p.committed), str(p.end)]
            for p in found
        ],
    )


@app.command("reset")
def reset_command(
    to: Annotated[str, typer.Option("--to", help=f"earliest, latest, or a time: {MOMENT_HELP}.")],
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    partition: PartitionOption = None,
    apply: Annotated[bool, typer.Option("--apply", help="Move the offsets.")] = False,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Move the group, to read records again or to skip them.

    Without --apply nothing is changed. Refused while the group has members. Results of records
    that are read again have the same ce_id as before. A model that learns is restored from the
    latest snapshot at or below the new offset; without one, see state.on_mismatch.
    """
    from agents.commands.offsets.moving import EARLIEST, LATEST, GroupOffsetsOfPipeline

    at_ms = 0 if to in (EARLIEST, LATEST) else moment_ms(to, "--to")
    offsets = GroupOffsetsOfPipeline(load_pipeline(config, os.environ), agent or (), timeout)
    planned = offsets.plan(offsets.read(partition), to, at_ms)
    if apply:
        offsets.move(planned)
    if json:
        document = {"group": offsets.group, "is_applied": apply, "partitions": planned}
        typer.echo(msgspec.json.encode(document))
        return
    _print_plan(planned)
    again, skipped = sum(p.num_again for p in planned), sum(p.num_skipped for p in planned)
    done = "moved" if apply else "would be moved, with --apply"
    typer.echo(f"group {offsets.group} {done}: {again} offsets again, {skipped} skipped")


def _print_plan(planned: Sequence[PartitionOffsets]) -> None:
    columns = ["agent", "topic", "partition", "committed", "to", "again", "skipped"]
    print_table(
        columns,
        [
            [p.agent, p.topic, str(p.partition), _or_none(p.committed), _or_none(p.target),
             str(p.num_again), str(p.num_skipped)]
            for p in planned
        ],
    )  # fmt: skip


def _or_none(offset: int | None) -> str:
    return "-" if offset is None else str(offset)
