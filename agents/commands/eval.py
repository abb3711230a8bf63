"""`penstock eval`: measure the models' quality on a folder of real data."""

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
    """A task of the models: a folder of `models/`."""

    detection = "detection"
    classification = "classification"
    segmentation = "segmentation"
    nlu = "nlu"
    anomaly = "anomaly"
    clustering = "clustering"
    tracking = "tracking"


def command(
    data: Annotated[
        Path,
        typer.Option("--data", help="A folder of real data; README.md says what it may hold."),
    ],
    tasks: Annotated[
        list[Task] | None, typer.Argument(help="The tasks to measure; without any, all.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure the quality of the models on a folder of real data."""
    if not data.is_dir():
        raise UserError(f"{data}: no such folder: name one with --data DIR")
    measures = {task.value: _measure(task, data) for task in tasks or list(Task)}
    if json:
        typer.echo(msgspec.json.encode({task: dict(pairs) for task, pairs in measures.items()}))
        return
    rows = [
        [task, name, f"{value:.4g}"] for task, pairs in measures.items() for name, value in pairs
    ]
    print_table(["task", "measure", "value"], rows)


def _measure(task: Task, data: Path) -> list[tuple[str, float]]:
    try:
        module = importlib.import_module(f"models.{task.value}.evaluate")
        measures: list[tuple[str, float]] = module.evaluate_on(data)
    except ModuleNotFoundError as error:
        raise UserError(f"{task.value}: needs {error.name}, which is not installed") from error
    except FileNotFoundError as error:
        raise UserError(f"{task.value}: {error.filename} is missing from the folder") from error
    return measures
