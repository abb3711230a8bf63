"""Penstock's agents are Faust agents: Faust's own CLI runs them, beside agents written by users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.outcomes import assert_answered_once
from tests.integration.pipelines import Pipeline, number
from tests.waiting import wait_for_count

_USER_AGENT = """
from agents.app import app

@app.agent(app.topic("{topic}", value_type=bytes, value_serializer="raw"))
async def count(values):
    seen = 0
    async for value in values:
        seen += 1
        open("{log}", "a").write(f"{{seen}}\\n")
"""


def add_user_agent(pipeline: Pipeline) -> Path:
    """Write an app with an agent that reads the pipeline's results; return the file it fills.

    The file gets a line for each result.
    """
    seen = pipeline.folder / "seen.txt"
    text = _USER_AGENT.format(topic=pipeline.output, log=seen)
    (pipeline.folder / "mine.py").write_text(text)
    return seen


def num_lines(path: Path) -> int:
    return len(path.read_text().split()) if path.exists() else 0


@contextmanager
def faust_worker(pipeline: Pipeline) -> Iterator[None]:
    """Run `faust worker` for the length of a `with` block, which ends it by SIGTERM."""
    log = pipeline.folder / "faust.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "faust", "-A", "mine", "worker", "--without-web", "-l", "warn"],
            cwd=pipeline.folder, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "PENSTOCK_CONFIG": str(pipeline.config)},
        )  # fmt: skip
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()


def test_faust_runs_the_pipeline_and_a_user_s_agent(tmp_path: Path, bootstrap: str) -> None:
    pipeline = Pipeline(tmp_path, bootstrap)
    seen = add_user_agent(pipeline)
    count = pipeline.produce(number(100 + i) for i in range(300))
    with faust_worker(pipeline):
        pipeline.await_finished(count)
        wait_for_count("results seen by the user's agent", lambda: num_lines(seen), count)
    assert num_lines(seen) == count
    assert_answered_once(pipeline)
    assert not list(tmp_path.glob("*-data")), "Faust made its folder for tables"


def test_offsets_of_a_user_s_agent_are_committed(tmp_path: Path, bootstrap: str) -> None:
    """A second run of the app finds nothing left to do, for the user's agent either."""
    pipeline = Pipeline(tmp_path, bootstrap)
    seen = add_user_agent(pipeline)
    count = pipeline.produce(number(100 + i) for i in range(100))
    for expected in (count, count + 1):
        with faust_worker(pipeline):
            wait_for_count("results seen", lambda: num_lines(seen), expected)
        pipeline.produce([number(1)])
    assert num_lines(seen) == count + 1


def test_the_app_is_made_on_first_use(tmp_path: Path) -> None:
    code = "import agents.app, sys; print('faust' in sys.modules, hasattr(agents.app, 'nothing'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
