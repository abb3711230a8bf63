"""`penstock plan` from a file to a table, and to JSON that it reads again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.main import app

PIPELINE = """\
kafka: {bootstrap.servers: "127.0.0.1:1"}
agents:
  score_anomalies: {model: robust_zscore, event_age_budget_seconds: 2.5}
"""
SPEED = {
    "agent": "score_anomalies", "model": "robust_zscore", "batch_seconds": 0.002,
    "event_seconds": 30e-6, "max_batch_size": 512, "bytes_per_key": 400, "process_bytes": 2**28,
}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "penstock.yaml").write_text(PIPELINE)
    (tmp_path / "speeds.json").write_text(json.dumps([SPEED]))
    return [
        "plan",
        "-c",
        str(tmp_path / "penstock.yaml"),
        "--speeds",
        str(tmp_path / "speeds.json"),
    ]


def test_a_plan_in_words(files: list[str]) -> None:
    done = CliRunner().invoke(app, [*files, "--rate", "50000", "--keys", "100000"])
    assert done.exit_code == 0, done.output
    assert "50,000 events a second: 4 workers, 8 partitions, " in done.stdout
    assert "MiB a worker" in done.stdout


def test_a_plan_as_json_is_a_file_of_speeds(files: list[str], tmp_path: Path) -> None:
    words = [*files, "--rate", "50000", "--json"]
    first = CliRunner().invoke(app, words)
    (tmp_path / "speeds.json").write_text(first.stdout)
    assert CliRunner().invoke(app, words).stdout == first.stdout
    plan = json.loads(first.stdout)["plan"]
    assert plan["agents"][0]["steady"]["keeps_up"] is True


def test_what_is_not_met_gives_exit_code_1(files: list[str]) -> None:
    done = CliRunner().invoke(app, [*files, "--rate", "50000", "--workers", "1"])
    assert done.exit_code == 1
    assert "warning: the busiest worker" in done.stdout
    assert "over the budget of 2.5 s" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--agent", "nobody"], "--agent nobody: the file has score_anomalies"),
        (["--metrics", "http://127.0.0.1:1/"], "give one of them"),
        (["--workers", "9", "--partitions", "4"], "a partition has one worker"),
    ],
)
def test_a_mistake_is_an_error_for_people(files: list[str], words: list[str], message: str) -> None:
    done = CliRunner().invoke(app, [*files, "--rate", "10", *words])
    assert done.exit_code == 2
    assert message in done.stderr


def test_models_are_timed_here_without_speeds(files: list[str]) -> None:
    done = CliRunner().invoke(app, [*files[:3], "--rate", "100", "--json"])
    assert done.exit_code == 0, done.output
    (speed,) = json.loads(done.stdout)["speeds"]
    assert speed["event_seconds"] + speed["batch_seconds"] > 0
