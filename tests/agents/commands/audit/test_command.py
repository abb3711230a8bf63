from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from agents.commands.main import app
from tests.agents.commands.hand_made import HandMade


@pytest.fixture
def pipeline(embedded_bootstrap: str) -> HandMade:
    return filled(embedded_bootstrap)


def filled(servers: str) -> HandMade:
    """Four records, of which the last is in flight."""
    pipeline = HandMade(servers)
    pipeline.records(4)
    for offset in (0, 1, 2):
        pipeline.result(offset)
    pipeline.commit(3)
    pipeline.audit()  # waits until all is written
    return pipeline


def run(pipeline: HandMade, tmp_path: Path, *arguments: str) -> Any:
    config = tmp_path / "penstock.yaml"
    agent = {"input": pipeline.input, "output": pipeline.agent.output,
             "model": "robust_zscore"}  # fmt: skip
    config.write_text(yaml.safe_dump({"kafka": pipeline.kafka, "agents": {"score": agent}}))
    return CliRunner().invoke(app, ["audit", "-c", str(config), *arguments])


def test_the_report_is_a_table_and_a_sentence(pipeline: HandMade, tmp_path: Path) -> None:
    found = run(pipeline, tmp_path)
    assert found.exit_code == 0, found.output
    head, row, last = found.stdout.splitlines()
    cells = dict(zip(head.split("\t"), row.split("\t"), strict=True))
    assert (cells["records"], cells["answered"], cells["in flight"]) == ("4", "3", "1")
    assert last == "proven: none of the 4 records is lost, doubled or out of order"


def test_problems_are_named_and_the_exit_code_is_1(pipeline: HandMade, tmp_path: Path) -> None:
    found = run(pipeline, tmp_path, "--drained")
    assert found.exit_code == 1
    assert found.stdout.splitlines()[2:] == [
        "score: 1 unfinished",
        f"  unfinished: {pipeline.name}[0] offset 3: is not committed, and has neither a "
        "result nor a dead letter",
        "wrong: 1 problem",
    ]


def test_not_provable_is_a_third_outcome(embedded_bootstrap: str, tmp_path: Path) -> None:
    pipeline = HandMade(embedded_bootstrap)
    pipeline.records(4)
    pipeline.flush()
    found = run(pipeline, tmp_path)
    assert found.exit_code == 3
    doubt, *_, last = found.stdout.splitlines()[2:]
    assert doubt == "not provable: score: none of the 4 records has an outcome that is known yet"
    assert last.startswith("not provable: none of the 4 records is known to be lost")
    report = json.loads(run(pipeline, tmp_path, "--json").stdout)
    assert (report["verdict"], report["is_proven"]) == ("not_provable", False)
    assert report["agents"][0]["verdict"] == "not_provable"


def test_json(pipeline: HandMade, tmp_path: Path) -> None:
    found = run(pipeline, tmp_path, "--drained", "--json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)
    assert not report["is_proven"]
    (agent,) = report["agents"]
    assert agent["problems"] == {"unfinished": 1}
    assert agent["culprits"][0]["offset"] == 3
    assert (report["verdict"], agent["verdict"]) == ("wrong", "wrong")
    assert agent["partitions"][0] == {
        "partition": 0, "log_start": 0, "audited_from": 0, "end": 4, "committed": 3,
        "committed_topic_id": "", "is_committed_here": True, "first_answered": 0,
    }  # fmt: skip


@pytest.mark.kafka
def test_since_excludes_older_records(kafka_bootstrap: str, tmp_path: Path) -> None:
    pipeline = filled(kafka_bootstrap)
    found = run(pipeline, tmp_path, "--drained", "--since", "2099-01-01T00:00:00Z", "--json")
    assert found.exit_code == 0, found.output
    (agent,) = json.loads(found.stdout)["agents"]
    assert (agent["records"], agent["past"]) == (0, 3)
    assert run(pipeline, tmp_path, "--drained", "--since", "1h").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agent", "scor"], "no agent 'scor': the pipeline file has score"),
        (["--since", "2h"], "the embedded broker can't find offsets by time"),
        (["--since", "yesterday"], "--since: 'yesterday' is no RFC 3339 time"),
    ],
)
def test_wrong_options_are_errors(
    pipeline: HandMade, tmp_path: Path, arguments: list[str], message: str
) -> None:
    found = run(pipeline, tmp_path, *arguments)
    assert found.exit_code == 2
    assert message in found.stderr


def test_a_missing_topic_is_an_error_of_one_line(pipeline: HandMade, tmp_path: Path) -> None:
    pipeline.agent = type(pipeline.agent)(input="absent", output="absent.out", model="m")
    found = run(pipeline, tmp_path)
    assert found.exit_code == 2
    assert found.stderr.startswith("penstock: error: the broker has no topic absent, absent.dlq")
