"""The console command `penstock`: its commands, each imported only when it runs."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from agents.errors import EXIT_CODE, UserError, error_lines, expected_errors

#: name -> help in a few words. A command is `command`, a function, or `app`, a Typer app, of
#: `agents/commands/NAME.py`, or of `agents/commands/NAME/command.py` if it is a folder.
COMMANDS: dict[str, str] = {
    "worker": "Run the agents of a pipeline file.",
    "check": "Check a pipeline file, its models and its broker.",
    "doctor": "Look at this machine and the broker; say how to mend what is wrong.",
    "diff": "Show what a restart with another pipeline file will do.",
    "plan": "Say how many workers, partitions and GPUs a rate needs.",
    "topics": "Plan or create the topics of a pipeline file.",
    "state": "List, show, reset or rekey the state of online models.",
    "produce": "Publish events from files, cameras or demo sources.",
    "tail": "Print the records of a topic in words.",
    "dlq": "List, show, replay or drop dead letters.",
    "offsets": "Show or reset where the group reads on.",
    "lag": "Show or serve how many records wait, worker or not.",
    "audit": "Prove that no record was lost, doubled or reordered.",
    "schemas": "Export or register a pipeline's schemas, infer fields.",
    "models": "List the models that a pipeline file can name.",
    "train": "Train a model on your data, or on what is rendered here.",
    "export": "Write a model as ONNX, in float16 or int8, and compare it.",
    "eval": "Measure the models' quality on a folder of real data.",
    "broker": "Run a broker on this machine, for trying and testing.",
    "registry": "Run a schema registry on this machine, for trying and testing.",
    "bench": "Measure Penstock and its peers on the same work.",
    "soak": "Put workers through faults and audit every record.",
    "demo": "Run the whole job for a minute and show it live.",
}

_STANDARD_STREAMS = (0, 1, 2)


class LazyCommands(TyperGroup):
    """Finds commands in `COMMANDS`; prints the help from there, without importing any."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command.

        Raises:
            UserError: no such command.
        """
        if cmd_name not in COMMANDS:
            close = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = (
                f"did you mean {close[0]}?" if close else f"expected one of {', '.join(COMMANDS)}"
            )
            raise UserError(f"no command {cmd_name!r}: {hint}")
        return _load_command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names and helps of the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an expected error is printed in a line and gives exit code 2."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except expected_errors() as error:
            for line in error_lines(error):
                typer.echo(line, err=True)
            raise typer.Exit(EXIT_CODE) from error


def _load_command(name: str) -> Any:
    module_name = f"agents.commands.{name}"
    try:
        module = importlib.import_module(module_name)
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"{module_name}.command")
    except ModuleNotFoundError as error:
        raise UserError(f"`penstock {name}` needs {error.name}, which is not installed") from error
    command_app = getattr(module, "app", None)
    if command_app is None:  # one function, whose parameters are the options
        command_app = typer.Typer(add_completion=False, rich_markup_mode=None)
        command_app.command(name)(module.command)
    return typer.main.get_command(command_app)


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
    _open_closed_streams()
    app(prog_name="penstock")


def _open_closed_streams() -> None:
    """Open the null device in place of standard streams that the caller has closed.

    Otherwise the first sockets and files get their numbers, and libuv ends a process that closes
    one of them.
    """
    for number in _STANDARD_STREAMS:
        try:
            os.fstat(number)
        except OSError:  # `open` takes the lowest free number, which is this one
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    main()
