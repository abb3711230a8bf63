from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.broker import embedded_broker
from agents.commands.main import app

REPO = Path(__file__).parents[3]
RIDES = str(REPO / "examples" / "rides" / "penstock.yaml")
NOWHERE = {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def broker() -> Iterator[dict[str, str]]:
    with embedded_broker() as running:
        yield {"PENSTOCK_KAFKA__BOOTSTRAP_SERVERS": running.bootstrap_servers}


def test_a_correct_pipeline_has_no_problems(broker: dict[str, str]) -> None:
    found = CliRunner().invoke(app, ["check", "--load", "-c", RIDES, "--json"], env=broker)
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["ok"] is True
    assert report["agents"][0]["model"] == "Speed"
    assert report["agents"][0]["version"].startswith("1-")  # with its options
    assert report["broker"]["num_brokers"] == 1


def test_a_missing_broker_is_a_problem() -> None:
    found = CliRunner().invoke(app, ["check", "-c", RIDES, "--timeout", "1"], env=NOWHERE)
    assert found.exit_code == 2
    assert found.stderr.startswith("penstock: error: can't reach Kafka at 127.0.0.1:1: ")
    assert found.stderr.count("\n") == 1


def test_offline_does_not_connect_to_the_broker() -> None:
    found = CliRunner().invoke(app, ["check", "-c", RIDES, "--offline"], env=NOWHERE)
    assert found.exit_code == 0
    assert found.stdout.endswith(f"{RIDES}: ok\n")
    assert "measure_speed\tbike.rides -> bike.speeds\tRide\tSpeed\tok" in found.stdout


def test_all_problems_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text(
        "agents:\n"
        "  a: {input: a, output: x, event: TextMessage, model: robust_zscore}\n"
        "  b: {input: b, output: y, event: VideoFrame, model: ./no.onnx}\n"
        "  c: {input: c, output: z, model: {name: robust_zscore, options: {windw: 3}}}\n"
        "  d: {input: d, output: w, model: robust_zscore}\n"
    )
    found = CliRunner().invoke(app, ["check", "-c", str(path), "--json", "--offline"])
    assert found.exit_code == 2
    report = json.loads(found.stdout)
    assert report["ok"] is False
    states = [agent["problem"].partition(":")[0] for agent in report["agents"]]
    assert states == ["agents.a", "agents.b", "agents.c", ""]
    assert [p.partition(": ")[0] for p in report["problems"]] == [str(path)] * 3


def test_a_model_that_fails_to_load_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from schemas import TextMessage\n"
        "class Broken:\n"
        "    event_type = TextMessage\n"
        "    def load(self, device='cpu'):\n"
        "        raise KeyError('weights')\n"
        "    def predict_batch(self, batch):\n"
        "        return batch\n"
    )
    path = tmp_path / "penstock.yaml"
    path.write_text("agents:\n  a: {input: a, output: x, model: ./mine.py:Broken}\n")
    arguments = ["check", "-c", str(path), "--offline"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    found = CliRunner().invoke(app, [*arguments, "--load"])
    assert found.exit_code == 2
    assert found.stderr == (
        f"penstock: error: {path}: agents.a: loading fails: KeyError: 'weights'\n"
    )


def test_a_service_that_is_away_is_a_problem_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from schemas import TextMessage, Unavailable\n"
        "class Remote:\n"
        "    event_type = TextMessage\n"
        "    def load(self, device='cpu'):\n"
        "        raise Unavailable('http://scores:8000 answers 503')\n"
        "    def predict_batch(self, batch):\n"
        "        return batch\n"
    )
    path = tmp_path / "penstock.yaml"
    path.write_text("agents:\n  a: {input: a, output: x, model: ./mine.py:Remote}\n")
    found = CliRunner().invoke(app, ["check", "-c", str(path), "--offline", "--load"])
    assert found.exit_code == 2
    assert found.stderr == (
        f"penstock: error: {path}: agents.a: http://scores:8000 answers 503: "
        "a worker would wait for it\n"
    )


def test_the_environment_can_name_the_file() -> None:
    found = CliRunner().invoke(app, ["check", "--offline"], env={"PENSTOCK_CONFIG": RIDES})
    assert found.exit_code == 0
    assert found.stdout.endswith(f"{RIDES}: ok\n")
