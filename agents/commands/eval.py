"""`penstock eval`: the models' quality on a folder of real data."""

from __future__ import annotations

import importlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import JsonOption, print_table
from agents.errors import UserError


class Task(StrEnum):
    """What there are models for: a folder of `models/`."""

    detection = "detection"
    nlu = "nlu"
    anomaly = "anomaly"
    clustering = "clustering"


def command(
    data: Annotated[Path, typer.Option("--data", help="The folder of real data.")],
    tasks: Annotated[
        list[Task] | None, typer.Argument(help="All of them if none is named.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure the models' quality on a folder of real data."""
    if not data.is_dir():
        raise UserError(f"{data}: no such folder: name one with --data DIR")
    found = {task.value: _measure(task, data) for task in tasks or list(Task)}
    if json:
        typer.echo(msgspec.json.encode({task: dict(rows) for task, rows in found.items()}))
        return
    rows = [[task, name, f"{value:.4g}"] for task, pairs in found.items() for name, value in pairs]
    print_table(["task", "measure", "value"], rows)


def _measure(task: Task, data: Path) -> list[tuple[str, float]]:
    try:
        module = importlib.import_module(f"models.{task.value}.evaluate")
        found: list[tuple[str, float]] = module.evaluate_on(data)
    except ModuleNotFoundError as error:
        raise UserError(f"{task.value}: {error.name} is needed but not installed") from error
    except FileNotFoundError as error:
        raise UserError(f"{task.value}: no {error.filename}: see what the folder holds") from error
    return found
