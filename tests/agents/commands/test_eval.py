from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.main import app


def test_a_missing_folder_is_an_error_of_one_line() -> None:
    found = CliRunner().invoke(app, ["eval", "--data", "no/such/folder"])
    assert found.exit_code == 2
    assert found.stderr == (
        "penstock: error: no/such/folder: no such folder: name one with --data DIR\n"
    )


def test_an_unknown_task_is_refused() -> None:
    found = CliRunner().invoke(app, ["eval", "weather", "--data", "."])
    assert found.exit_code == 2
    assert "'weather' is not one of" in found.stderr


@pytest.mark.slow
def test_measures_on_real_data(data_dir: Path) -> None:
    found = CliRunner().invoke(app, ["eval", "anomaly", "--data", str(data_dir), "--json"])
    assert found.exit_code == 0, found.output
    measures = json.loads(found.stdout)["anomaly"]
    assert measures
    assert all(isinstance(value, float) for value in measures.values())
