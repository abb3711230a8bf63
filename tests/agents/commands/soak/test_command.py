"""`penstock soak` on a real Apache Kafka, short; and what it refuses."""

from __future__ import annotations

import json
import subprocess

import pytest

from agents.commands import PENSTOCK


def soak(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PENSTOCK, "soak", *options],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.kafka
def test_a_kill_and_a_stop_lose_nothing(kafka_bootstrap: str) -> None:
    done = soak(
        "--broker", kafka_bootstrap, "--faults", "kill,stop", "--seconds", "0", "--kills", "1",
        "--seed", "3", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["is_proven"]
    assert (found["lost"], found["wrong"], found["seed"]) == (0, 0, 3)
    assert found["records"] > 300
    assert found["repetitions"] >= 1
    assert "SIGKILL" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--broker", "embedded"], "it keeps 5 MB a partition"),
        (["--faults", "earthquake"], "--faults earthquake: expected some of kill, stop"),
        (["--broker", "127.0.0.1:1", "--faults", "broker"], "--faults broker: expected some of"),
        (["--broker", "127.0.0.1:1", "--faults", "kill"], "can't reach Kafka at 127.0.0.1:1"),
    ],
)
def test_what_it_refuses(options: list[str], words: str) -> None:
    if options == ["--faults", "earthquake"]:
        options = [*options, "--broker", "127.0.0.1:1"]
    done = soak(*options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
