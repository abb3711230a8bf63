"""The tasks that can be measured: each folder of `models/` that has an `evaluate.py`."""

from __future__ import annotations

import importlib
from pathlib import Path

from models.base import ModelError
from models.evaluation import Row, Skipped

_FOLDER = Path(__file__).parent


def task_names() -> list[str]:
    """Return the names of the tasks, sorted."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/evaluate.py"))


def evaluate_task(task: str, data_dir: Path) -> list[Row]:
    """Measure a task's models: what `evaluate_on(data_dir)` of its `evaluate.py` returns.

    Where a file or a package that the whole task needs is absent, one `Skipped` says so.
    """
    try:
        module = importlib.import_module(f"models.{task}.evaluate")
        rows: list[Row] = module.evaluate_on(data_dir)
    except ModuleNotFoundError as error:
        return [Skipped(task=task, dataset="all", reason=f"{error.name} is not installed")]
    except FileNotFoundError as error:
        return [Skipped(task=task, dataset="all", reason=f"{error.filename} is missing")]
    except ModelError as error:
        return [Skipped(task=task, dataset="all", reason=str(error))]
    return rows
