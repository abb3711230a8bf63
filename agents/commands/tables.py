"""Tables on a terminal, and the same as plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns' names.

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
        # As `Text`, what stands in square brackets is no markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
