from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from agents.commands.main import app
from models.model_folder import served_by


def test_a_shipped_classifier_becomes_an_onnx_folder(tmp_path: Path) -> None:
    out = tmp_path / "digits"
    arguments = ["export", "digits", "--to", "onnx", "--out", str(out), "--json"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    figures = json.loads(found.stdout)
    assert figures["precision"] == "float32"
    assert float(figures["largest difference of ONNX from torch"]) < 1e-4
    declared = served_by(out)
    assert declared is not None
    assert declared[0] == "onnx_classifier"
    assert "penstock export digits --to onnx --out digits" in (out / "card.md").read_text()


def test_mistakes_are_errors_of_one_line(tmp_path: Path) -> None:
    for arguments, message in (
        (["absent", "--to", "onnx"], "absent: no such folder or file"),
        (["digits", "--to", "int2"], "--to int2: expected one of onnx, fp16, int8"),
    ):
        found = CliRunner().invoke(app, ["export", *arguments, "--out", str(tmp_path / "out")])
        assert found.exit_code == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
