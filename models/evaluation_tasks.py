"""The tasks that can be measured: each folder of `models/` that has an `evaluate.py`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from models.base import ModelError
from models.evaluation import Measure, Row, Skipped

_FOLDER = Path(__file__).parent
#: Metrics of pairs of which higher is not better -> `Measure.higher_is_better`.
_NOT_HIGHER = {
    "id switches for each true box": False,
    "id switches for each object": False,
    "false boxes for each true one": False,
    "tracks": None,
}


def task_names() -> list[str]:
    """Return the names of the tasks, sorted."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/evaluate.py"))


def evaluate_task(task: str, data_dir: Path) -> list[Row]:
    """Measure a task's models: what `evaluate_on(data_dir)` of its `evaluate.py` returns.

    Where a file or a package that the whole task needs is absent, one `Skipped` says so.
    """
    try:
        module = importlib.import_module(f"models.{task}.evaluate")
        rows: Sequence[Row | tuple[str, float]] = module.evaluate_on(data_dir)
    except ModuleNotFoundError as error:
        return [Skipped(task=task, dataset="all", reason=f"{error.name} is not installed")]
    except FileNotFoundError as error:
        return [Skipped(task=task, dataset="all", reason=f"{error.filename} is missing")]
    except ModelError as error:
        return [Skipped(task=task, dataset="all", reason=str(error))]
    return [_as_row(task, row) for row in rows]


def _as_row(task: str, row: Row | tuple[str, float]) -> Row:
    """Return a row as it is; a pair of a name, "model, data: metric", and a value as a measure."""
    if not isinstance(row, tuple):
        return row
    name, value = row
    where, _, metric = name.rpartition(": ")
    model, _, dataset = where.partition(", ")
    return Measure(
        task=task,
        dataset=dataset,
        model=model,
        metric=metric,
        value=value,
        higher_is_better=_NOT_HIGHER.get(metric, True),
    )
