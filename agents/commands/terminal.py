"""What several commands share on the terminal: options, times, tables and progress bars."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError

if TYPE_CHECKING:
    from streams.kafka.publisher import Deliveries

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="PENSTOCK_CONFIG", help="The pipeline file."),
]
"""A parameter's type; its default is `DEFAULT_CONFIG`."""

DEFAULT_CONFIG = Path("penstock.yaml")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]

#: For help texts: what `moment_ms` reads.
MOMENT_HELP = "2026-01-31T12:00:00Z, or how long ago: 90s, 15m, 2h, 3d"

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment_ms(text: str, option: str) -> int:
    """Return a moment in milliseconds since 1970; 0 for "".

    Args:
        text: what the user wrote: a time by RFC 3339, or how long ago.
        option: the option's name, for the message.

    Raises:
        UserError: the text is neither.
    """
    from schemas import SchemaError
    from schemas.cloudevents import parse_time

    if not text:
        return 0
    if ago := _AGO.fullmatch(text):
        seconds = float(ago[1]) * _SECONDS[ago[2]]
        return max(int((time.time() - seconds) * 1000), 1)
    try:
        return max(parse_time(text), 1)
    except SchemaError as error:
        raise UserError(f"{option}: {error}, nor a time ago such as 90s, 15m, 2h or 3d") from error


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under the names of their columns.

    In a pipe the columns are separated by tabs and never cut, so that `cut` and `awk` read them.
    """
    if not sys.stdout.isatty():
        for row in [columns, *rows]:
            typer.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        # In a `Text`, square brackets are no markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@contextmanager
def progress_bar(topic: str, limit: int | None) -> Iterator[Callable[[Deliveries], None]]:
    """Show how many events were delivered: on stderr, so that results can be piped.

    Args:
        topic: where the events go.
        limit: how many there will be at most; None: not known.
    """
    with _bar(topic, limit) as update:
        yield lambda deliveries: update(deliveries.num_delivered, limit)


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many (0: not known) are done: on stderr, a few times a second.

    Args:
        what: is counted.
    """
    with _bar(what, None, shows_time=True) as update:
        yield lambda done, total: update(done, total or None)


@contextmanager
def _bar(
    label: str, total: int | None, shows_time: bool = False
) -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar on a terminal, nothing in a pipe; yield what updates it."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.text import Text

    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    columns += [TimeElapsedColumn()] if shows_time else []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(Text(label).markup, total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)
