"""`penstock registry`: start a schema registry and keep it running until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.commands.broker.command import AsJson, serve
from agents.commands.registry import local_registry

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Run a schema registry on this machine, for trying and testing.",
)


@app.callback()
def group() -> None:
    """Run a schema registry on this machine, for trying and testing."""


@app.command()
def local(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free port.")] = 8081,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder to keep the schemas in; without it, they are not kept."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run Apicurio Registry (loopback, Confluent's API) on the local JVM until Ctrl-C.

    Prints the URL for `registry.url` of a pipeline file. Needs Java 17, and Maven, to download
    Apicurio Registry once.
    """
    notes = (f"schemas and registry.log are in {data_dir}",) if data_dir else ()
    serve(local_registry(port, data_dir), "url", "the registry", notes, as_json)
