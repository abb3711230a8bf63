"""`penstock eval`: measure the models' quality on a folder of real data."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import JsonOption, print_table
from agents.errors import UserError
from models.evaluation import Measure, Skipped
from models.evaluation_tasks import evaluate_task, task_names
from models.quality import Quality, read_quality, write_quality


def command(
    data: Annotated[
        Path,
        typer.Option("--data", help="A folder of real data; README.md says what it may hold."),
    ],
    tasks: Annotated[
        list[str] | None, typer.Argument(help="The tasks to measure; without any, all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Measure all tasks.")] = False,
    json: JsonOption = False,
    out: Annotated[
        Path | None,
        typer.Option(help="A file to write the figures to; those of other tasks stay in it."),
    ] = None,
) -> None:
    """Measure the quality of the models on a folder of real data.

    What can't be measured is listed as skipped, with the reason: behind the table, or with --json
    on stderr.
    """
    if not data.is_dir():
        raise UserError(f"{data}: no such folder: name one with --data DIR")
    measured, skipped = _measure(_chosen(tasks or [], every), data, out)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(measured)))
    else:
        columns = ["task", "data", "model", "metric", "value"]
        cells = [[m.task, m.dataset, m.model, m.metric, f"{m.value:.4g}"] for m in measured]
        print_table(columns, cells)
    for row in skipped:
        typer.echo(f"skipped: {row.task}, {row.dataset}: {row.reason}", err=json)
    if not measured:
        raise UserError("nothing was measured: the reasons are above")


def _name(data: Path) -> str:
    """Return the folder's own name: where it lies says nothing on another machine."""
    return data.name or str(data)


def _chosen(tasks: list[str], every: bool) -> list[str]:
    if tasks and every:
        raise UserError(f"both --all and {', '.join(tasks)}: name tasks, or write --all")
    if unknown := [task for task in tasks if task not in task_names()]:
        raise UserError(f"no task {unknown[0]!r}: expected some of {', '.join(task_names())}")
    return tasks or task_names()


def _measure(tasks: list[str], data: Path, out: Path | None) -> tuple[list[Measure], list[Skipped]]:
    """Measure tasks; each is written to `out` as soon as it is done."""
    measured, skipped = list[Measure](), []
    for task in tasks:
        again = f"penstock eval {task} --data {shlex.quote(_name(data))}"
        for row in evaluate_task(task, data):
            if isinstance(row, Skipped):
                skipped.append(row)
            else:
                command = row.command or again
                measured.append(msgspec.structs.replace(row, command=command))
        found = [row for row in measured if row.task == task]
        if out is not None and found:
            known = read_quality(out) if out.is_file() else Quality(dates={}, rows=[])
            write_quality(out, known.with_task(task, f"{datetime.now(UTC):%Y-%m-%d}", found))
    return measured, skipped
