"""The commands: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.main import app
from benchmarks.harness.workloads import WORKLOADS, most_on_embedded

FIELDS = {
    "workload": str, "contender": str, "version": str, "round": int, "records": int,
    "seconds": float, "records_per_second": float, "cpu_seconds": float, "verified": bool,
}  # fmt: skip


def test_stream_prints_objects_and_draws(embedded_bootstrap: str, tmp_path: Path) -> None:
    picture = tmp_path / "medians.png"
    run = CliRunner().invoke(
        app,
        ["bench", "stream", "--broker", embedded_bootstrap, "--contenders", "penstock",
         "--records", "1500", "--rounds", "1", "--json", "--plot", str(picture)],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    (outcome,) = json.loads(run.stdout)
    assert {name: type(value) for name, value in outcome.items()} == FIELDS
    assert (outcome["contender"], outcome["records"], outcome["verified"]) == (
        "penstock",
        1500,
        True,
    )
    assert outcome["records_per_second"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_startup_prints_its_phases(embedded_bootstrap: str) -> None:
    arguments = ["bench", "startup", "--broker", embedded_bootstrap, "--rounds", "1", "--json"]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    (medians,) = json.loads(run.stdout)
    assert medians["rounds"] == 1
    phases = [medians[name] for name in ("loaded", "joined", "answered")]
    assert sum(phases) == pytest.approx(medians["total"])
    assert min(phases) > 0


def test_metrics_prints_their_part_of_the_cpu_time(embedded_bootstrap: str) -> None:
    run = CliRunner().invoke(
        app,
        ["bench", "metrics", "--broker", embedded_bootstrap, "--records", "20000", "--rounds", "1",
         "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.stdout)
    (whole,), (part,) = result["microseconds"], result["metrics_microseconds"]
    assert (result["records"], result["overhead"]) == (20_000, pytest.approx(part / (whole - part)))
    assert 0 < part < whole / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream", "--workload", "x"], "--workload x: expected one of a, b, c, d"),
        (["stream", "--contenders", "nobody"], "no contender 'nobody': expected one of penstock"),
        (["stream", "--broker", "embedded", "--records", "9999999"], "the embedded broker keeps"),
        (["scale", "--broker", "embedded"], "does not describe groups"),
        (["scale", "--workers", "1,x", "--broker", "127.0.0.1:1"], "expected whole numbers"),
        (["memory", "--behind", "0", "--broker", "127.0.0.1:1"], "each must be at least 1"),
        (["gpu", "--workload", "a"], "expected b or c"),
    ],
)
def test_refusals(arguments: list[str], message: str) -> None:
    run = CliRunner().invoke(app, ["bench", *arguments])
    assert run.exit_code == 2
    assert message in run.stderr
    assert run.stdout == ""


def test_gpu_needs_one() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    run = CliRunner().invoke(app, ["bench", "gpu"])
    assert run.exit_code == 2
    assert "torch sees no CUDA device" in run.stderr


def test_what_fits_the_embedded_broker() -> None:
    for workload in WORKLOADS.values():
        most = most_on_embedded(workload)
        assert most * workload.bytes_per_record <= 4 * 5_000_000
        assert most <= 4 * 100_000
