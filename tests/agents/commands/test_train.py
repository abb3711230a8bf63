"""The command, in a process of its own: killed, continued, in a pipe."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from typer.testing import CliRunner

from agents.commands.main import app
from tests.models.training.small_data import write_class_folders

CONFIG = "data: pictures\nside: 16\nbatch_size: 8\nepochs: 15\ncheckpoint_seconds: 0\n"
COMMAND = [sys.executable, "-m", "agents.commands.main", "train", "classifier"]


def start(folder: Path, out: Path) -> subprocess.Popen[str]:
    arguments = ["-c", str(folder / "train.yaml"), "--out", str(out)]
    return subprocess.Popen(
        [*COMMAND, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_killed_run_goes_on_to_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "pictures")
    (tmp_path / "train.yaml").write_text(CONFIG)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(tmp_path, killed)
    checkpoint = killed / "checkpoint.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    assert checkpoint.is_file()
    assert not (killed / "model" / "model.safetensors").exists()
    for out in (killed, whole):
        output, error = start(tmp_path, out).communicate()
        assert "in a pipeline file" in output, error
        assert error == "", "no progress bar in a pipe"
    killed_weights, whole_weights = (out / "model" / "model.safetensors" for out in (killed, whole))
    assert killed_weights.read_bytes() == whole_weights.read_bytes()
    assert (killed / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()


def test_a_configuration_that_is_no_yaml_or_has_unknown_names(tmp_path: Path) -> None:
    for text, message in (
        ("a: [", "while parsing"),
        ("- 1\n", "expected settings"),
        ("colour: 1\n", "unknown field `colour`"),
    ):
        (tmp_path / "train.yaml").write_text(text)
        arguments = [
            "train",
            "classifier",
            "-c",
            str(tmp_path / "train.yaml"),
            "--out",
            str(tmp_path / "run"),
        ]
        found = CliRunner().invoke(app, arguments)
        assert found.exit_code == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1


def test_the_settings_can_be_printed_and_the_folder_is_asked_for() -> None:
    found = CliRunner().invoke(app, ["train", "detector", "--print-config"])
    assert "annotations: null" in found.stdout
    found = CliRunner().invoke(app, ["train", "detector"])
    assert (found.exit_code, "--out RUN" in found.stderr) == (2, True)
    found = CliRunner().invoke(app, ["train", "poems", "--print-config"])
    assert "no task 'poems'" in found.stderr
