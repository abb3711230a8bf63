from __future__ import annotations

import json

from typer.testing import CliRunner

from agents.commands.main import app
from models.registry import model_names


def test_every_registered_model_is_listed_with_its_options() -> None:
    found = CliRunner().invoke(app, ["models", "--json"])
    assert found.exit_code == 0, found.output
    listed = {model["name"]: model for model in json.loads(found.stdout)}
    assert list(listed) == model_names()
    assert "path" in listed["onnx_detector"]["options"]
    assert listed["robust_zscore"]["event"] == "SensorReading"
    assert listed["robust_zscore"]["is_online"] is True
    assert not [name for name, model in listed.items() if model["event"] == "?"]


def test_without_a_terminal_the_output_has_columns() -> None:
    lines = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert lines[0] == "model\tevents\tkind\toptions\twhat it does"
    assert len(lines) == 1 + len(model_names())
