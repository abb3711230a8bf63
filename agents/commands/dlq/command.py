"""`penstock dlq list|show|replay|drop`: what could not be processed, and what to do about it."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import (
    DEFAULT_CONFIG,
    MOMENT_HELP,
    ConfigOption,
    JsonOption,
    counting_bar,
    moment_ms,
    print_table,
)
from agents.errors import UserError, printable
from agents.pipeline.file import load_pipeline
from agents.process.exit import stop_on_signals

if TYPE_CHECKING:
    from agents.commands.dlq import Letter, Replayed, Selection
    from streams.settings import PipelineSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List, show, replay or drop dead letters.",
)

AgentOption = Annotated[
    list[str] | None, typer.Option("--agent", help="Of this one alone; repeatable.")
]
ReasonOption = Annotated[
    list[str] | None, typer.Option("--reason", help="With this one alone; repeatable.")
]
SinceOption = Annotated[str, typer.Option(help=f"Failed then or later: {MOMENT_HELP}.")]
UntilOption = Annotated[str, typer.Option(help="Failed before then; as --since.")]
LettersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TOPIC:]PARTITION:OFFSET...", help="Certain letters; else all."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="So many at most.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Count, but change nothing.")]


def _selection(
    settings: PipelineSettings,
    letters: list[str] | None,
    agent: list[str] | None,
    reason: list[str] | None,
    since: str,
    until: str,
) -> Selection:
    from agents.commands.dlq import Selection
    from agents.commands.dlq.selection import identities

    try:
        wanted = identities(letters or (), settings, agent or ())
    except ValueError as error:
        raise UserError(str(error)) from error
    return Selection(
        agents=agent or (),
        reasons=reason or (),
        since_ms=moment_ms(since, "--since"),
        until_ms=moment_ms(until, "--until"),
        identities=wanted,
    )


@app.command("list")
def list_command(
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    reason: ReasonOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    each: Annotated[bool, typer.Option("--each", help="A line for each open letter.")] = False,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count dead letters by agent, reason, error and input partition. Changes nothing."""
    from agents.commands.dlq import State, read_letters, summarise
    from agents.commands.dlq.showing import as_dict, moment

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, None, agent, reason, since, until)
    letters = (x for x in read_letters(settings, selection.agents) if selection.has(x))
    if each:
        for letter in itertools.islice((x for x in letters if x.state is State.OPEN), limit):
            typer.echo(msgspec.json.encode(as_dict(letter)) if as_json else _line(letter))
        return
    groups = summarise(letters)
    if as_json:
        typer.echo(msgspec.json.encode(groups))
        return
    columns = ["agent", "reason", "error", "input", "open", "replayed", "dropped", "first", "last"]
    rows = [
        [g.agent, g.reason, g.error, f"{g.topic}[{g.partition}]", str(g.open), str(g.replayed),
         str(g.dropped), moment(g.first_ms), moment(g.last_ms)]
        for g in groups
    ]  # fmt: skip
    print_table(columns, [[printable(cell) for cell in row] for row in rows])


def _line(letter: Letter) -> str:
    from agents.commands.dlq.showing import moment

    told = letter.told
    when = moment(told.failed_at_ms)
    return printable(f"{letter.identity}  {when}  {told.agent}  {told.reason}: {told.message}")


@app.command("show")
def show_command(
    letters: LettersArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    reason: ReasonOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the original value's bytes there; of one letter.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show dead letters in full: those that are named, else the first that fits."""
    from agents.commands.dlq import read_letters
    from agents.commands.dlq.showing import as_dict, as_text

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, letters, agent, reason, since, until)
    limit = limit or len(selection.identities) or 1
    fitting = (x for x in read_letters(settings, selection.agents) if selection.has(x))
    found = list(itertools.islice(fitting, limit))
    if not found:
        raise UserError("there is no such dead letter: `penstock dlq list --each` names all")
    if output is not None:
        _write(output, found, settings)
    for letter in found:
        if as_json:
            typer.echo(msgspec.json.encode(as_dict(letter)))
        else:
            typer.echo("\n".join(as_text(letter)) + "\n")


def _write(output: Path, letters: list[Letter], settings: PipelineSettings) -> None:
    from agents.commands.dlq.originals import OriginalGoneError, fetch_original

    if len(letters) != 1:
        raise UserError(f"--output takes one letter, not {len(letters)}: name it")
    try:
        output.write_bytes(fetch_original(letters[0], settings).value)
    except OriginalGoneError as error:
        raise UserError(f"{letters[0].identity} does not hold the whole value: {error}") from error
    except OSError as error:
        raise UserError(f"can't write {output}: {error.strerror}") from error


@app.command("replay")
def replay_command(
    letters: LettersArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    reason: ReasonOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = None,
    max_attempts: Annotated[
        int, typer.Option(min=1, help="Leave what was replayed so often already.")
    ] = 3,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send the original records back to their input topic, each to its partition.

    Exit code 1 if some that were meant could not be replayed; they stay open.
    """
    from agents.commands.dlq import replay

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, letters, agent, reason, since, until)
    if not dry_run and not yes:
        expected = replay(settings, selection, limit=limit, max_attempts=max_attempts, is_dry=True)
        _confirm(f"replay {expected.num_replayed} dead letters", expected.num_replayed)
    with stop_on_signals() as stop, counting_bar("replayed") as bar:
        found = replay(
            settings,
            selection,
            limit=limit,
            max_attempts=max_attempts,
            is_dry=dry_run,
            stop=stop,
            on_progress=lambda done: bar(done, limit or 0),
        )
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        _tell(found, dry_run)
    if found.left:
        raise typer.Exit(1)


def _tell(found: Replayed, is_dry: bool) -> None:
    typer.echo(f"{found.num_replayed} {'would be' if is_dry else 'were'} replayed")
    if found.num_settled:
        typer.echo(f"{found.num_settled} were replayed or dropped before, and are left alone")
    for why, count in found.left.items():
        typer.echo(printable(f"{count} stay open: {why} (the first: {found.first_left[why]})"))


@app.command("drop")
def drop_command(
    letters: LettersArgument = None,
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    reason: ReasonOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: LimitOption = None,
    delete: Annotated[
        bool,
        typer.Option(
            "--delete", help="Also delete, of each partition, all before its first open letter."
        ),
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Mark dead letters as settled without replaying them; retention removes them in time."""
    from agents.commands.dlq import delete_settled, drop

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, letters, agent, reason, since, until)
    if dry_run or not yes:
        expected = drop(settings, selection, limit=limit, is_dry=True)
        if dry_run:
            typer.echo(f"{expected} would be dropped")
            return
        does = f"drop {expected} dead letters" + (", and delete what is settled" if delete else "")
        _confirm(does, expected or delete)
    with stop_on_signals() as stop, counting_bar("dropped") as bar:
        num_dropped = drop(
            settings,
            selection,
            limit=limit,
            stop=stop,
            on_progress=lambda done: bar(done, limit or 0),
        )
    typer.echo(f"{num_dropped} were dropped")
    if delete:
        typer.echo(f"{delete_settled(settings, selection.agents)} were deleted")


def _confirm(does: str, is_any: int | bool) -> None:
    """Ask on a terminal; in a pipe nobody answers, so there it must have been said.

    Raises:
        UserError: `--yes` is missing in a pipe.
        typer.Abort: the answer is no.
    """
    if not is_any:
        return
    if not sys.stdin.isatty():
        raise UserError(f"this would {does}: say --yes")
    typer.confirm(f"{does}?", abort=True)
