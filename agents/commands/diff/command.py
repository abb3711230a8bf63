"""`penstock diff OLD NEW`: what a restart with another pipeline file will do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import JsonOption, print_table
from agents.pipeline.file import load_pipeline

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)]


def command(old: FileArgument, new: FileArgument, json: JsonOption = False) -> None:
    """Show what a restart with another pipeline file will do.

    Says which topics are needed, whether the group moves, whether what models have learned is
    kept, and what else changes. Connects to no broker. Models that learn are loaded where their
    settings change.
    """
    from agents.commands.diff.consequences import consequences

    found = consequences(
        load_pipeline(old, os.environ), load_pipeline(new, os.environ), old.parent, new.parent
    )
    num_warnings = sum(item.weight == "warning" for item in found)
    if json:
        typer.echo(msgspec.json.encode({"warnings": num_warnings, "consequences": found}))
        return
    if not found:
        typer.echo("no difference: a restart goes on where it was")
        return
    print_table(["about", "weight", "what"], [[c.about, c.weight, c.text] for c in found])
