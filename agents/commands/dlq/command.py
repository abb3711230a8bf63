"""`penstock dlq list|show|replay|drop`: inspect and settle dead letters."""

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
    from agents.commands.dlq import Letter, ReplayResult, Selection
    from streams.settings import PipelineSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="List, show, replay or drop dead letters: records that could not be processed.",
)

AgentOption = Annotated[
    list[str] | None, typer.Option("--agent", help="Only letters of this agent; repeatable.")
]
ReasonOption = Annotated[
    list[str] | None, typer.Option("--reason", help="Only letters with this reason; repeatable.")
]
SinceOption = Annotated[
    str, typer.Option(help=f"Only records that failed at this time or later: {MOMENT_HELP}.")
]
UntilOption = Annotated[
    str, typer.Option(help="Only records that failed before this time; same form as --since.")
]
LettersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[TOPIC:]PARTITION:OFFSET...",
        help="The letters, as `penstock dlq list --each` names them.",
    ),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, help="Take at most this many letters.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Count the letters, but change nothing.")
]


def _selection(
    settings: PipelineSettings,
    letters: list[str] | None,
    agent: list[str] | None,
    reason: list[str] | None,
    since: str,
    until: str,
) -> Selection:
    from agents.commands.dlq.letters import Selection, identities

    try:
        named = identities(letters or (), settings, agent or ())
    except ValueError as error:
        raise UserError(str(error)) from error
    return Selection(
        agents=agent or (),
        reasons=reason or (),
        since_ms=moment_ms(since, "--since"),
        until_ms=moment_ms(until, "--until"),
        identities=named,
    )


@app.command("list")
def list_command(
    config: ConfigOption = DEFAULT_CONFIG,
    agent: AgentOption = None,
    reason: ReasonOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    each: Annotated[
        bool, typer.Option("--each", help="Print one line for each open letter.")
    ] = False,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count dead letters by agent, reason, error and input partition."""
    from agents.commands.dlq import State, select_letters, summarize
    from agents.commands.dlq.showing import as_dict, as_line, format_time

    settings = load_pipeline(config, os.environ)
    letters = select_letters(settings, _selection(settings, None, agent, reason, since, until))
    if each:
        for letter in itertools.islice((x for x in letters if x.state is State.OPEN), limit):
            typer.echo(msgspec.json.encode(as_dict(letter)) if as_json else as_line(letter))
        return
    groups = summarize(letters)
    if as_json:
        typer.echo(msgspec.json.encode(groups))
        return
    columns = ["agent", "reason", "error", "input", "open", "replayed", "dropped", "first", "last"]
    rows = [
        [g.agent, g.reason, g.error, f"{g.topic}[{g.partition}]", str(g.open), str(g.replayed),
         str(g.dropped), format_time(g.first_ms), format_time(g.last_ms)]
        for g in groups
    ]  # fmt: skip
    print_table(columns, [[printable(cell) for cell in row] for row in rows])


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
        Path | None,
        typer.Option(help="Write the original value's bytes to this file; takes one letter."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show dead letters in full.

    Shows the letters you name, or the first that the options select.
    """
    from agents.commands.dlq import select_letters
    from agents.commands.dlq.showing import as_dict, as_text

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, letters, agent, reason, since, until)
    limit = limit or len(selection.identities) or 1
    selected = list(itertools.islice(select_letters(settings, selection), limit))
    if not selected:
        raise UserError("no such dead letter: `penstock dlq list --each` lists the open ones")
    if output is not None:
        _write(output, selected, settings)
    for letter in selected:
        if as_json:
            typer.echo(msgspec.json.encode(as_dict(letter)))
        else:
            typer.echo("\n".join(as_text(letter)) + "\n")


def _write(output: Path, letters: list[Letter], settings: PipelineSettings) -> None:
    from agents.commands.dlq.replaying import OriginalGoneError, fetch_original

    if len(letters) != 1:
        raise UserError(f"--output takes one letter, not {len(letters)}: name it")
    try:
        output.write_bytes(fetch_original(letters[0], settings).value)
    except OriginalGoneError as error:
        raise UserError(
            f"{letters[0].identity} does not contain the whole value: {error}"
        ) from error
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
        int, typer.Option(min=1, help="Skip records that were replayed this often already.")
    ] = 3,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send the original records back to their input topic and partition.

    The exit code is 1 if some of the letters could not be replayed; those stay open.
    """
    from agents.commands.dlq import replay

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, letters, agent, reason, since, until)
    if not dry_run and not yes:
        expected = replay(settings, selection, limit=limit, max_attempts=max_attempts, is_dry=True)
        _confirm(f"replay {expected.num_replayed} dead letters", expected.num_replayed)
    with stop_on_signals() as stop, counting_bar("replayed") as bar:
        result = replay(
            settings,
            selection,
            limit=limit,
            max_attempts=max_attempts,
            is_dry=dry_run,
            stop=stop,
            on_progress=lambda done: bar(done, limit or 0),
        )
    if as_json:
        typer.echo(msgspec.json.encode(result))
    else:
        _print_result(result, dry_run)
    if result.left:
        raise typer.Exit(1)


def _print_result(result: ReplayResult, is_dry: bool) -> None:
    typer.echo(f"{result.num_replayed} {'would be' if is_dry else 'were'} replayed")
    if result.num_settled:
        typer.echo(f"{result.num_settled} skipped: they were replayed or dropped before")
    for reason, count in result.left.items():
        first = result.first_left[reason]
        typer.echo(printable(f"{count} stay open: {reason} (the first: {first})"))


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
            "--delete",
            help="Also delete, in each partition, everything before its first open letter.",
        ),
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
) -> None:
    """Mark dead letters as dropped: no replay takes them.

    They stay on the topic until its retention removes them, or --delete does.
    """
    from agents.commands.dlq import delete_settled, drop

    settings = load_pipeline(config, os.environ)
    selection = _selection(settings, letters, agent, reason, since, until)
    if dry_run or not yes:
        expected = drop(settings, selection, limit=limit, is_dry=True)
        if dry_run:
            typer.echo(f"{expected} would be dropped")
            return
        action = f"drop {expected} dead letters"
        action += ", and delete the settled ones" if delete else ""
        _confirm(action, expected or delete)
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


def _confirm(action: str, is_needed: int | bool) -> None:
    """Ask on a terminal; outside of one, `--yes` is required.

    Raises:
        UserError: `--yes` is missing and there is no terminal to ask on.
        typer.Abort: the answer is no.
    """
    if not is_needed:
        return
    if not sys.stdin.isatty():
        raise UserError(f"this would {action}: confirm with --yes")
    typer.confirm(f"{action}?", abort=True)
