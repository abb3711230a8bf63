"""`penstock state rekey`: move learned state after partitions were added to an input."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption
from agents.errors import EXIT_CODE
from agents.pipeline.file import load_pipeline


def rekey_command(
    agent: Annotated[str, typer.Option("--agent", help="An agent of the pipeline file.")],
    partitions: Annotated[
        int | None,
        typer.Option(
            "--partitions", min=1, help="Number of partitions to plan for; default: the input's."
        ),
    ] = None,
    partitioner: Annotated[
        str, typer.Option(help="auto, or how producers assign keys: murmur2 or consistent (CRC32).")
    ] = "auto",
    apply: Annotated[bool, typer.Option("--apply", help="Move the state.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Move what a model has learned about each source to the source's new partition.

    Needed after partitions were added to the input: records of most keys then go to another
    partition, whose model does not know them. Without --apply nothing is changed. Interrupted, it
    can be run again.
    """
    # Imported here: the other commands for state do not need them.
    from agents.commands.rekey.rekeying import open_rekeying
    from agents.commands.rekey.report import print_report

    settings = load_pipeline(config, os.environ)
    with open_rekeying(settings, config, agent, partitioner) as rekeying:
        report = rekeying.run(partitions, is_applying=apply)
    if json:
        typer.echo(msgspec.json.encode(report))
    else:
        print_report(report)
    if apply and not report.is_applied:
        raise typer.Exit(EXIT_CODE)
