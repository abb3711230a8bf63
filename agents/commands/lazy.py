"""A group of commands that imports a command's module only when that command runs."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from agents.errors import EXIT_CODE, UserError, error_lines, expected_errors

#: name -> help in a few words. The command is `command`, a function, or `app`, a Typer app, of
#: `agents/commands/NAME.py`, or of `agents/commands/NAME/command.py` where it is a folder.
COMMANDS: dict[str, str] = {
    "worker": "Run the agents of a pipeline file.",
    "check": "Check a pipeline file, its models and its broker.",
    "topics": "Plan or create the topics of a pipeline file.",
    "state": "List, show or reset the state of online models.",
    "produce": "Publish events from files, cameras or demo sources.",
    "tail": "Print the records of a topic in words.",
    "dlq": "List, show, replay or drop dead letters.",
    "audit": "Prove that no record was lost, doubled or reordered.",
    "schemas": "Export JSON Schema files and an AsyncAPI document.",
    "models": "List the models that a pipeline file can name.",
    "eval": "Measure the models' quality on a folder of real data.",
    "broker": "Run a broker on this machine, for trying and testing.",
    "bench": "Measure Penstock and its peers on the same work.",
    "soak": "Put workers through faults and audit every record.",
    "demo": "Run the whole job for a minute and show it live.",
}


class LazyCommands(TyperGroup):
    """Looks commands up in `COMMANDS`; help is printed from there, without any import."""

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
        return _to_command(_imported(cmd_name), cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table's names and helps."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an expected error becomes its line and exit code 2."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except expected_errors() as error:
            for line in error_lines(error):
                typer.echo(line, err=True)
            raise typer.Exit(EXIT_CODE) from error


def _imported(name: str) -> Any:
    module = f"agents.commands.{name}"
    try:
        found = importlib.import_module(module)
        if hasattr(found, "__path__"):
            found = importlib.import_module(f"{module}.command")
    except ModuleNotFoundError as error:
        raise UserError(f"`penstock {name}` needs {error.name}, which is not installed") from error
    return found.app if hasattr(found, "app") else found.command


def _to_command(found: Any, name: str) -> Any:
    """Make a command of a Typer app or of a function whose parameters are options."""
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name)(function)
    return typer.main.get_command(found)
