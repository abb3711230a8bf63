"""Penstock's agents are real Faust agents: Faust's own CLI runs them, beside stock ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.running import Pipeline, number, until

_MINE = """
from agents.app import app

@app.agent(app.topic("{topic}", value_type=bytes, value_serializer="raw"))
async def count(values):
    seen = 0
    async for value in values:
        seen += 1
        open("{log}", "a").write(f"{{seen}}\\n")
"""


def test_faust_runs_the_pipeline_and_a_stock_agent(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    log = tmp_path / "seen.txt"
    (tmp_path / "mine.py").write_text(_MINE.format(topic=pipeline.output, log=log))
    count = pipeline.produce(number(100 + i) for i in range(300))
    faust = [sys.executable, "-m", "faust", "-A", "mine", "worker", "--without-web", "-l", "warn"]
    process = subprocess.Popen(
        faust, cwd=tmp_path, env={**os.environ, "PENSTOCK_CONFIG": str(pipeline.config)}
    )
    try:
        pipeline.await_finished(count)
        until(lambda: log.exists() and log.read_text().split()[-1:] == [str(count)])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert all(len(answers) == 1 for answers in pipeline.answered().values())
    assert not list(tmp_path.glob("*-data"))  # Faust's folder for tables, which nobody has


def test_a_stock_agent_s_offsets_are_committed(tmp_path: Path, bootstrap: str) -> None:
    """The second run of the app must find nothing left to do, for the stock agent either."""
    pipeline = Pipeline(tmp_path, bootstrap)
    log = tmp_path / "seen.txt"
    (tmp_path / "mine.py").write_text(_MINE.format(topic=pipeline.output, log=log))
    count = pipeline.produce(number(100 + i) for i in range(100))
    faust = [sys.executable, "-m", "faust", "-A", "mine", "worker", "--without-web", "-l", "warn"]
    env = {**os.environ, "PENSTOCK_CONFIG": str(pipeline.config)}
    for expected in (count, count + 1):
        process = subprocess.Popen(faust, cwd=tmp_path, env=env)
        try:
            until(lambda: log.exists() and len(log.read_text().split()) >= expected)  # noqa: B023
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
        pipeline.produce([number(1)])
    assert len(log.read_text().split()) == count + 1


def test_the_app_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    code = "import agents.app, sys; print('faust' in sys.modules, hasattr(agents.app, 'nothing'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
