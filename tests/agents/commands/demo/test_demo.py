"""The demo as a user runs it: from the command line, on the embedded broker."""

import json
import re
import signal
import subprocess
import time
import wave
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from agents.commands.demo.spoken_alerts import READS
from tests.penstock_command import run_penstock, start_penstock

_TIMEOUT_SECONDS = 240.0
OVERVIEWS = (
    "detections",
    "tracks",
    "segments",
    "classes",
    "anomalies",
    "clusters",
    "recommendations",
    "spoken-alert",
)
#: Their input are the results of another agent, so nothing bad is sent to them.
CHAINED = ["track_objects", *READS]
#: They have few records: an anomaly each.
SPEAKING = ("speak_text", "transcribe_speech")


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_penstock("demo", *arguments, timeout=_TIMEOUT_SECONDS)


@pytest.mark.slow
def test_a_short_run_balances_and_writes_its_pictures(tmp_path: Path) -> None:
    done = run_demo("--seconds", "8", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line.isprintable() for line in done.stdout.replace("\t", " ").splitlines())
    assert "balanced: records in = answered + dead-lettered + filtered" in done.stdout
    _check_table(done.stdout)
    _check_pictures(tmp_path)
    _check_lines(tmp_path)


def _check_table(output: str) -> None:
    rows = [line.split("\t") for line in output.splitlines() if "\t" in line]
    head, agents = rows[0], [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert head[0] == "agent"
    assert len(agents) == 7 + len(CHAINED)
    for row in agents:
        ends = [int(row[name]) for name in ("answered", "dead-lettered", "filtered")]
        assert int(row["produced"]) == int(row["in"]) == sum(ends)
        assert ends[0] > (0 if row["agent"] in SPEAKING else 4)
        # The bad records, and the tombstone.
        assert ends[1:] == ([0, 0] if row["agent"] in CHAINED else [4, 1])


def _check_pictures(out: Path) -> None:
    frames = sorted((out / "frames").glob("frame-*.jpg"))
    assert 4 <= len(frames) <= 12
    for path in [*frames, *(out / f"{name}.png" for name in OVERVIEWS)]:
        with Image.open(path) as image:
            assert image.width >= 640
            assert len(image.convert("RGB").getcolors(maxcolors=2**24) or []) > 30


def _check_lines(out: Path) -> None:
    lines = {
        path.name.removesuffix(".jsonl"): [json.loads(x) for x in path.read_text().splitlines()]
        for path in out.glob("*.jsonl")
    }
    assert len(lines) == 15 + 2 * len(CHAINED)
    for topic in ("video.detections", "sensor.anomalies", "text.to_speak", "audio.speech"):
        assert not lines.pop(f"{topic}.dlq", None)
    _check_alerts(out, lines)
    assert all(lines.values())
    tracks = [d for line in lines["video.tracks"] for d in line["value"]["detections"]]
    assert any("track_id" in found for found in tracks)
    assert len({line["value"]["label"] for line in lines["images.classes"]}) > 1
    assert any(line["value"]["regions"] for line in lines["images.segments"])
    objects = [d for line in lines["video.detections"] for d in line["value"]["detections"]]
    assert {"car"} <= {detection["label"] for detection in objects}
    assert any(line["value"]["is_anomaly"] for line in lines["sensor.anomalies"])
    reasons = {x["headers"]["__penstock.errors.reason"] for x in lines["video.frames.dlq"]}
    assert reasons == {"decode_error", "too_large", "unknown_schema_version"}


def _check_alerts(out: Path, lines: dict[str, list[dict[str, Any]]]) -> None:
    with wave.open(str(out / "spoken-alert.wav")) as sound:
        assert sound.getnframes() > sound.getframerate()
    heard = [line["value"]["text"] for line in lines["audio.transcripts"]]
    assert any("alarm" in text for text in heard), heard


@pytest.mark.slow
def test_ctrl_c_ends_it_early_and_in_order(tmp_path: Path) -> None:
    with start_penstock("demo", "--seconds", "600", "--out", str(tmp_path), "--json") as process:
        try:
            _wait_for_results(tmp_path / "sensor.anomalies.jsonl")
            children = _descendants(process.pid)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=_TIMEOUT_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 0, output + errors
    assert json.loads(output)["balanced"] is True
    assert len(children) >= 2, "a broker and a worker"
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def _wait_for_results(path: Path) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not (path.is_file() and path.stat().st_size):
        assert time.monotonic() < deadline, "no results came"
        time.sleep(0.1)


def _descendants(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    parents = {int(a): int(b) for a, b in re.findall(r"(\d+)\s+(\d+)", listed.stdout)}
    return [child for child, parent in parents.items() if parent == pid]


def test_wrong_options_give_one_line_and_exit_code_2(tmp_path: Path) -> None:
    for arguments, message in (
        (["--broker", "nonsense"], "expected embedded, kafka or HOST:PORT"),
        (["--data", str(tmp_path / "nothing")], "no such folder"),
        (["--broker", "127.0.0.1:1", "--out", str(tmp_path / "out")], "127.0.0.1:1"),
    ):
        done = run_demo("--json", *arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert message in done.stderr
