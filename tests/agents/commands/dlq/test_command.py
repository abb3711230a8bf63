from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agents.commands.dlq import State, read_letters
from agents.commands.main import app
from schemas import TooLargeError
from tests.agents.commands.hand_made import HandMade


@pytest.fixture
def pipeline(embedded_bootstrap: str) -> HandMade:
    return filled(embedded_bootstrap)


def filled(servers: str) -> HandMade:
    """Two letters of one partition, one of another."""
    pipeline = HandMade(servers)
    pipeline.letter(3, value=b'{"a": 1}')
    pipeline.letter(4, error=TooLargeError("large"))
    pipeline.letter(5, 1)
    pipeline.flush()
    return pipeline


def run(pipeline: HandMade, folder: Path, *arguments: str, code: int = 0) -> Any:
    config = folder / "penstock.yaml"
    agent = {"input": pipeline.input, "output": pipeline.agent.output,
             "model": "robust_zscore"}  # fmt: skip
    config.write_text(yaml.safe_dump({"kafka": pipeline.kafka, "agents": {"score": agent}}))
    found = CliRunner().invoke(app, ["dlq", *arguments, "-c", str(config)])
    assert found.exit_code == code, found.output
    return found


def states(pipeline: HandMade) -> list[str]:
    return [letter.state.value for letter in read_letters(pipeline.settings)]


def test_list(pipeline: HandMade, tmp_path: Path) -> None:
    rows = [line.split("\t") for line in run(pipeline, tmp_path, "list").stdout.splitlines()]
    assert rows[0][:5] == ["agent", "reason", "error", "input", "open"]
    assert sorted(row[1:5] for row in rows[1:]) == [
        ["decode_error", "DecodeError", f"{pipeline.name}[0]", "1"],
        ["decode_error", "DecodeError", f"{pipeline.name}[1]", "1"],
        ["too_large", "TooLargeError", f"{pipeline.name}[0]", "1"],
    ]
    found = json.loads(run(pipeline, tmp_path, "list", "--json", "--reason", "too_large").stdout)
    assert [(group["reason"], group["open"]) for group in found] == [("too_large", 1)]
    assert len(run(pipeline, tmp_path, "list", "--since", "1h").stdout.splitlines()) == 4
    assert len(run(pipeline, tmp_path, "list", "--until", "1h").stdout.splitlines()) == 1


def test_show_takes_the_names_that_list_each_prints(pipeline: HandMade, tmp_path: Path) -> None:
    lines = run(pipeline, tmp_path, "list", "--each").stdout.splitlines()
    assert len(lines) == 3
    name = next(line for line in lines if "too_large: large" in line).split()[0]
    assert name == f"{pipeline.name}.dlq:0:1"
    assert (
        "reason: too_large (TooLargeError): large" in run(pipeline, tmp_path, "show", name).stdout
    )
    assert "reason: too_large" in run(pipeline, tmp_path, "show", "0:1").stdout


def test_show_writes_the_value_to_a_file(pipeline: HandMade, tmp_path: Path) -> None:
    run(pipeline, tmp_path, "show", "0:0", "--output", str(tmp_path / "value"))
    assert (tmp_path / "value").read_bytes() == b'{"a": 1}'
    found = run(pipeline, tmp_path, "show", "-n", "2", "--output", str(tmp_path / "v"), code=2)
    assert "--output takes one letter, not 2" in found.stderr
    shown = json.loads(run(pipeline, tmp_path, "show", "--json").stdout)
    assert shown["letter"] == f"{pipeline.name}.dlq:0:0"
    assert "no such dead letter" in run(pipeline, tmp_path, "show", "0:99", code=2).stderr


def test_without_a_terminal_yes_is_required(pipeline: HandMade, tmp_path: Path) -> None:
    found = run(pipeline, tmp_path, "replay", code=2)
    assert found.stderr == "penstock: error: this would replay 3 dead letters: confirm with --yes\n"
    assert "would drop 3 dead letters" in run(pipeline, tmp_path, "drop", code=2).stderr
    assert states(pipeline) == ["open"] * 3


def test_replay_and_drop(pipeline: HandMade, tmp_path: Path) -> None:
    assert run(pipeline, tmp_path, "replay", "--dry-run").stdout == "3 would be replayed\n"
    output = run(pipeline, tmp_path, "replay", "0:0", "--yes", "--json").stdout
    assert json.loads(output)["num_replayed"] == 1
    assert run(pipeline, tmp_path, "drop", "--dry-run").stdout == "2 would be dropped\n"
    dropped = run(pipeline, tmp_path, "drop", "--reason", "too_large", "--yes").stdout
    assert dropped == "1 were dropped\n"
    assert states(pipeline) == ["replayed", "dropped", "open"]
    output = run(pipeline, tmp_path, "replay", "--yes").stdout
    assert output.splitlines() == [
        "1 were replayed",
        "2 skipped: they were replayed or dropped before",
    ]
    assert states(pipeline).count("open") == 0


def test_the_exit_code_is_1_if_a_letter_can_not_be_replayed(
    pipeline: HandMade, tmp_path: Path
) -> None:
    pipeline.letter(77, payload="none")
    pipeline.flush()
    found = run(pipeline, tmp_path, "replay", "--yes", code=1)
    assert found.stdout.splitlines() == [
        "3 were replayed",
        "1 stay open: the input topic no longer has the record (retention) "
        f"(the first: {pipeline.name}.dlq:0:2)",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--agent", "scor"], "no agent 'scor'"),
        (["list", "--since", "soon"], "--since: 'soon' is no RFC 3339 time"),
        (["show", "seven"], "'seven' does not name a dead letter: write TOPIC:PARTITION:OFFSET"),
        (["drop", "--delete", "--yes"], "the embedded broker can't delete records"),
    ],
)
def test_wrong_options_are_errors(
    pipeline: HandMade, tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in run(pipeline, tmp_path, *arguments, code=2).stderr


@pytest.mark.kafka
def test_only_letters_before_the_first_open_one_are_deleted(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    pipeline = filled(kafka_bootstrap)
    pipeline.records(8)
    pipeline.commit(8)
    pipeline.letter(6)
    pipeline.flush()
    output = run(pipeline, tmp_path, "drop", "0:0", "0:2", "--yes", "--delete").stdout
    assert output == "2 were dropped\n1 were deleted\n"  # 0:1 is open, and holds 0:2 back
    left = [(x.partition, x.offset, x.state) for x in read_letters(pipeline.settings)]
    assert left == [(0, 1, State.OPEN), (0, 2, State.DROPPED), (1, 0, State.OPEN)]
    found = pipeline.audit()
    assert (found.dead_lettered, found.expired) == (2, 4)  # offsets 0 to 3 can't be proven
    assert found.problems == {"missing": 2, "alien": 1}  # 5 and 7; 5 of an empty partition
    run(pipeline, tmp_path, "drop", "--yes", "--delete")
    assert list(read_letters(pipeline.settings)) == []
    assert pipeline.audit().expired == 7  # up to offset 6
