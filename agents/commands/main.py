"""The console command `penstock`: one module a command, imported only when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.commands.lazy import LazyCommands
from agents.commands.standard_streams import open_what_is_closed

app = typer.Typer(
    name="penstock",
    cls=LazyCommands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"penstock {version('penstock')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print and exit."),
    ] = False,
) -> None:
    """Kafka topics through Faust agents onto models, in micro-batches."""


def main() -> None:
    """Run the command line: the console script's entry point."""
    open_what_is_closed()
    app(prog_name="penstock")


if __name__ == "__main__":
    main()
