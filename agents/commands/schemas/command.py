"""`penstock schemas export`: write the contract of a pipeline's topics, for any language."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from agents.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Export JSON Schema files and an AsyncAPI document.",
)


@app.callback()
def group() -> None:
    """Export JSON Schema files and an AsyncAPI document."""


@app.command()
def export(
    out: Annotated[
        Path,
        typer.Option(
            "--out", file_okay=False, help="The folder to write to; created if it does not exist."
        ),
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A pipeline file; without it, the shipped agents."),
    ] = None,
) -> None:
    """Write JSON Schema files and asyncapi.yaml into a folder.

    The folder gets one JSON Schema file for each type, and one AsyncAPI document of all topics.
    """
    from agents import AGENTS
    from agents.commands.schemas.export import export_files
    from agents.commands.schemas.flows import flows_of
    from agents.pipeline.file import load_pipeline
    from streams.settings import PipelineSettings

    if config is None:
        flows = flows_of(PipelineSettings(agents=AGENTS))
    else:
        flows = flows_of(load_pipeline(config, os.environ), config.parent)
    try:
        for path in export_files(flows, version("penstock"), out):
            typer.echo(path)
    except OSError as error:
        raise UserError(f"can't write to {out}: {error.strerror}") from error
