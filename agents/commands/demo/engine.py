"""The engine as a process of its own: `penstock worker`, that never outlives the demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agents.commands.broker import tethered
from agents.commands.demo.errors import DemoError
from agents.commands.demo.scraping import scrape

#: -P: a folder called `agents` where the user happens to be must not be taken for ours.
_COMMAND = (sys.executable, "-P", "-c", "from agents.commands.main import main; main()", "worker")
#: Loading a sentence encoder takes seconds, on a machine that is busy with other things a minute.
START_TIMEOUT_SECONDS = 120.0
#: Beyond the worker's own `shutdown_timeout_seconds`.
STOP_TIMEOUT_SECONDS = 40.0
_POLL_SECONDS = 0.1


class Engine:
    """A running worker."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.log = log
        self.metrics_url = ""
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the number of the signal that ended it."""
        return self._process.poll()

    def wait_until_ready(self, stop: Callable[[], bool]) -> None:
        """Wait until models are warm and partitions assigned.

        Args:
            stop: asked now and then; true ends the waiting.

        Raises:
            DemoError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not stop() and not self._is_ready():
            if self.exit_code is not None:
                raise DemoError(f"the engine did not start: {self.last_words()}")
            if time.monotonic() > deadline:
                raise DemoError(
                    f"the engine was not ready within {START_TIMEOUT_SECONDS:.0f} s: see {self.log}"
                )
            time.sleep(_POLL_SECONDS)

    def _is_ready(self) -> bool:
        if not self.metrics_url:
            found = re.search(r"metrics at (http://\S+)", self._output())
            self.metrics_url = found[1] if found else ""
            return False
        try:
            return scrape(self.metrics_url).sum("penstock_worker_ready") > 0
        except OSError:
            return False

    def stop(self) -> int:
        """Ask it to finish what is under way and to leave (SIGTERM); return its exit code."""
        if self.exit_code is None:
            self._process.terminate()
        try:
            return self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once if it still runs; return its exit code."""
        if self.exit_code is None:
            self._process.kill()
        return self._process.wait()

    def last_words(self) -> str:
        """Return the last line that it wrote."""
        lines = [line for line in self._output().splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it said nothing"

    def _output(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def run_engine(pipeline: Path, log: Path, environment: Mapping[str, str]) -> Iterator[Engine]:
    """Run a worker for the length of a `with` block; whatever is left of it then is killed.

    Args:
        pipeline: its file.
        log: where its output goes; written anew.
        environment: of the process.
    """
    tether = [sys.executable, "-I", "-S", str(tethered.__file__), str(os.getpid())]
    with log.open("wb") as output:
        # A session of its own: Ctrl-C in the terminal reaches the demo alone, which stops it.
        process = subprocess.Popen(
            [*tether, *_COMMAND, "-c", str(pipeline)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    engine = Engine(process, log)
    try:
        yield engine
    finally:
        engine.kill()
