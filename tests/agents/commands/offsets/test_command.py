"""Plans and refusals on the embedded broker; moves run on Kafka elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from agents.commands.main import app


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, embedded_bootstrap: str) -> Path:
    """A pipeline file whose input, of four partitions, has three records in partition 2."""
    producer = Producer({"bootstrap.servers": embedded_bootstrap})
    for _ in range(3):
        producer.produce("offsets-readings", b"{}", partition=2)
    assert producer.flush(10) == 0
    path = tmp_path_factory.mktemp("offsets") / "penstock.yaml"
    path.write_text(
        f"kafka: {{bootstrap.servers: '{embedded_bootstrap}', group.id: offsets}}\n"
        "agents:\n"
        "  score: {input: offsets-readings, output: scores, model: robust_zscore}\n"
        "  other: {input: offsets-absent, output: scores-2, model: robust_zscore}\n"
    )
    return path


def run(config: Path, *words: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["offsets", *words, "-c", str(config)], env={})
    assert done.exit_code == exit_code, done.output
    return done.stdout if exit_code == 0 else done.stderr


def test_what_each_partition_has_is_shown(config: Path) -> None:
    lines = run(config, "show", "--agent", "score").splitlines()
    assert len(lines) == 5
    assert lines[3].split("\t")[-3:] == ["0", "-", "3"]


def test_a_plan_says_what_would_be_skipped(config: Path) -> None:
    out = run(config, "reset", "--to", "latest", "--agent", "score")
    assert "group offsets would be moved, with --apply: 0 offsets again, 3 skipped" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reset", "--to", "noon", "--agent", "score"], "--to"),
        (["show", "--agent", "none"], "no agent 'none': the pipeline file has score, other"),
        (["show", "--agent", "other"], "the broker has no topic offsets-absent"),
        (["show", "--agent", "score", "--partition", "9"], "no input has a partition 9"),
    ],
)
def test_what_does_not_exist_is_said(config: Path, words: list[str], message: str) -> None:
    assert message in run(config, *words, exit_code=2)
