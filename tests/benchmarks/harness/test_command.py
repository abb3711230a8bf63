"""The commands: what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.main import app
from benchmarks.harness.workloads import WORKLOADS, most_on_embedded
from models.base import ModelError
from models.speech.voices import require_programs
from tests.conftest import skip_or_fail
from tests.models.speech.small_recognizer import write_small_recognizer

pytestmark = pytest.mark.slow  # each test runs a bench with processes

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


def test_speech_prints_the_ages_of_transcripts(embedded_bootstrap: str, tmp_path: Path) -> None:
    try:
        require_programs()
    except ModelError as error:
        skip_or_fail(str(error))
    write_small_recognizer(tmp_path)
    run = CliRunner().invoke(
        app,
        ["bench", "speech", "--broker", embedded_bootstrap, "--path", str(tmp_path), "--streams",
         "3", "--seconds", "3", "--warm-up", "1", "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    (ages,) = json.loads(run.stdout)
    assert (ages["streams"], ages["chunk_ms"]) == (3, 320)
    assert 24 <= ages["chunks"] <= 30
    assert ages["answered"] == ages["chunks"]
    assert ages["p50_ms"] <= ages["p95_ms"] <= ages["max_ms"]


@pytest.mark.parametrize(
    ("options", "records", "rate"),
    [(["--records", "60000"], 60_000, 0), (["--rates", "500", "--seconds", "4"], 2000, 500)],
)
def test_metrics_prints_their_part_of_the_cpu_time(
    embedded_bootstrap: str, options: list[str], records: int, rate: int
) -> None:
    run = CliRunner().invoke(
        app,
        ["bench", "metrics", "--broker", embedded_bootstrap, *options, "--rounds", "1", "--json"],
    )
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.stdout)
    (whole,), (part,) = result["microseconds"], result["metrics_microseconds"]
    assert (result["records"], result["rate"]) == (records, rate)
    assert result["overhead"] == pytest.approx(part / (whole - part))
    assert 0 < part < whole / 2


def test_live_prints_checked_ages_and_draws(embedded_bootstrap: str, tmp_path: Path) -> None:
    picture = tmp_path / "ages.png"
    run = CliRunner().invoke(
        app,
        ["bench", "live", "--broker", embedded_bootstrap, "--contenders", "penstock",
         "--rates", "100", "--partitions", "4", "--linger", "0", "--seconds", "2",
         "--warm-up", "0.5", "--json", "--plot", str(picture)],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.stdout)
    assert (result["contender"], result["rate"], result["fault"]) == ("penstock", 100, "")
    assert result["kept_up"]
    assert result["answered"] == result["records"] == pytest.approx(200, rel=0.3)
    assert result["offered_per_second"] == pytest.approx(100, rel=0.4)
    assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert result["cpu_us_per_record"] > 0
    assert 0 <= result["append_late_p99_ms"] < 2_000
    assert not result["is_log_append_time"]  # the embedded broker keeps the clients' timestamps
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["robust_zscore", "online_kmeans"])
def test_live_checks_the_answers_of_online_models(embedded_bootstrap: str, model: str) -> None:
    run = CliRunner().invoke(
        app,
        ["bench", "live", "--broker", embedded_bootstrap, "--model", model, "--rates", "600",
         "--partitions", "4", "--linger", "0", "--seconds", "2", "--warm-up", "0.5", "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.stdout)
    assert (result["model"], result["fault"], result["kept_up"]) == (model, "", True)


@pytest.mark.slow
def test_mix_prints_the_ages_of_each_agent(embedded_bootstrap: str) -> None:
    run = CliRunner().invoke(
        app,
        ["bench", "mix", "--broker", embedded_bootstrap, "--agents",
         "score_anomalies,cluster_behavior", "--seconds", "2", "--warm-up", "0.5", "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    results = json.loads(run.stdout)
    assert [result["agent"] for result in results] == ["score_anomalies", "cluster_behavior"]
    for result in results:
        assert result["answered"] == result["records"] == pytest.approx(600, rel=0.3)
        assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]
        assert 0 < result["worker_cpu_share"] < 3
        assert result["worker_rss_bytes"] > 10_000_000


@pytest.mark.slow
def test_idle_prints_two_workers(embedded_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.harness.idle._SETTLE_SECONDS", 0.2)
    light = ["score_anomalies", "cluster_behavior"]  # the others load for many seconds
    monkeypatch.setattr("benchmarks.harness.example_pipeline.example_agents", lambda: light)
    run = CliRunner().invoke(
        app,
        ["bench", "idle", "--broker", embedded_bootstrap, "--partitions", "4", "--seconds", "1",
         "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    two, one = json.loads(run.stdout)
    assert (two["agents"], two["partitions"]) == (2, 8)
    assert (one["agents"], one["partitions"]) == (1, 4)
    for result in (two, one):
        assert result["startup_seconds"] > 0
        assert 0 <= result["cpu_share"] < 3
        assert result["rss_bytes"] > 10_000_000


@pytest.mark.slow
def test_latency_prints_ages_of_both_arrivals(embedded_bootstrap: str) -> None:
    run = CliRunner().invoke(
        app,
        ["bench", "latency", "--broker", embedded_bootstrap, "--share", "0.05", "--seconds", "2",
         "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    results = json.loads(run.stdout)
    assert [result["arrivals"] for result in results] == ["poisson", "bursts"]
    for result in results:
        assert result["rate"] == pytest.approx(0.05 * 25_296, rel=0.2)
        assert 0 < result["through_p50_ms"] <= result["through_p99_ms"]
        assert 1 <= result["mean_batch_size"] <= result["max_batch_size"] <= 256


@pytest.mark.slow
def test_plan_prints_what_is_predicted_and_measured(embedded_bootstrap: str) -> None:
    run = CliRunner().invoke(
        app,
        ["bench", "plan", "--broker", embedded_bootstrap, "--shares", "5", "--seconds", "2",
         "--records", "0", "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    (row,) = json.loads(run.stdout)
    assert row["rate"] == pytest.approx(0.05 * 25_296, rel=0.2)
    assert 0 < row["predicted_p50_ms"] <= row["predicted_p99_ms"]
    assert 0 < row["measured_p50_ms"] <= row["measured_p99_ms"]
    assert 1 <= row["predicted_batch"] <= 256


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
        (["live", "--model", "x"], "--model x: expected one of mean, robust_zscore"),
        (["live", "--arrivals", "bursts"], "expected poisson or even"),
        (["live", "--linger", "-1", "--broker", "127.0.0.1:1"], "each must be at least 0"),
        (["mix", "--agents", "nobody", "--broker", "127.0.0.1:1"], "--agents nobody: expected"),
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
