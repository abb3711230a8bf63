"""The tasks of `penstock eval`, and what one of them returns where its data is absent."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.base import ModelError
from models.evaluation import Measure, Row, Skipped
from models.evaluation_tasks import evaluate_task, task_names


def test_the_tasks_are_the_folders_with_an_evaluation() -> None:
    assert {"anomaly", "clustering", "detection", "nlu"} <= set(task_names())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError(2, "No such file", "clinc150.jsonl.gz"), "clinc150.jsonl.gz is missing"),
        (ModuleNotFoundError("no", name="pycocotools"), "pycocotools is not installed"),
        (ModelError("install the extra eval"), "install the extra eval"),
    ],
)
def test_a_task_that_cant_be_measured_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def evaluate_on(data_dir: Path) -> list[Row]:
        raise error

    monkeypatch.setitem(
        sys.modules, "models.made_up.evaluate", SimpleNamespace(evaluate_on=evaluate_on)
    )
    rows = evaluate_task("made_up", Path())
    assert rows == [Skipped(task="made_up", dataset="all", reason=reason)]


def test_pairs_become_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(evaluate_on=lambda data_dir: [("a model, some data: F1", 0.5)])
    monkeypatch.setitem(sys.modules, "models.made_up.evaluate", module)
    assert evaluate_task("made_up", Path()) == [
        Measure(task="made_up", dataset="some data", model="a model", metric="F1", value=0.5)
    ]
