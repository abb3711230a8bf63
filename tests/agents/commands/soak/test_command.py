"""A short `penstock soak` on Apache Kafka, and the options that it refuses."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.penstock_command import run_penstock


def soak(*options: str) -> subprocess.CompletedProcess[str]:
    return run_penstock("soak", *options, timeout=240)


@pytest.mark.kafka
def test_a_kill_and_a_stop_lose_nothing(kafka_bootstrap: str) -> None:
    done = soak(
        "--broker", kafka_bootstrap, "--faults", "kill,stop", "--seconds", "0", "--kills", "1",
        "--seed", "3", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    row = json.loads(done.stdout)
    assert row["is_proven"]
    assert (row["lost"], row["wrong"], row["seed"]) == (0, 0, 3)
    assert row["records"] > 300
    assert row["repetitions"] >= 1
    assert "SIGKILL" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--broker", "embedded"], "it keeps only 5 MB per partition"),
        (
            ["--broker", "127.0.0.1:1", "--faults", "earthquake"],
            "--faults earthquake: expected some of kill, stop",
        ),
        (["--broker", "127.0.0.1:1", "--faults", "broker"], "--faults broker: expected some of"),
        (["--broker", "127.0.0.1:1", "--faults", "kill"], "can't reach Kafka at 127.0.0.1:1"),
    ],
)
def test_wrong_options_are_refused(options: list[str], message: str) -> None:
    done = soak(*options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
