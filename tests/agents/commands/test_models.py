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
    assert not [name for name, model in listed.items() if "?" in (model["event"], model["task"])]
    assert listed["traffic_detector"]["num_parameters"] > 400_000
    assert listed["traffic_detector"]["quality"][0]["metric"] == "mAP50"


def test_without_a_terminal_the_output_has_columns() -> None:
    lines = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    names = "model task events kind weights licence quality what it does".split(maxsplit=7)
    assert lines[0].split("\t") == names
    assert len(lines) == 1 + len(model_names())
    detector = next(line for line in lines if line.startswith("traffic_detector")).split("\t")
    assert detector[4] == "0.46 M, 1.9 MB"
    assert detector[6].startswith("mAP50 0.")


def test_one_model_is_shown_whole() -> None:
    found = CliRunner().invoke(app, ["models", "intent_classifier"]).stdout
    assert "option encoder\t'minilm'\n" in found
    assert "paper\tDevlin et al., 2019" in found
    assert "in-scope accuracy without oos" in found
    missing = CliRunner().invoke(app, ["models", "poet"])
    assert missing.exit_code == 2
    assert "no model 'poet': expected one of adaptive_random_forest" in missing.stderr
