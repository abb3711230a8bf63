"""The engine of a run: `penstock worker` in a child process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agents.commands import PENSTOCK
from agents.commands.demo.metrics import scrape
from agents.errors import UserError
from agents.process.child import ChildProcess

#: Loading a sentence encoder takes seconds, and a minute on a busy machine.
START_TIMEOUT_SECONDS = 120.0
#: Longer than the worker's own `shutdown_timeout_seconds`.
STOP_TIMEOUT_SECONDS = 40.0
_POLL_SECONDS = 0.1


class Engine(ChildProcess):
    """A running worker."""

    metrics_url = ""
    """Known once the worker is ready."""

    def wait_until_ready(self, stop: Callable[[], bool]) -> None:
        """Wait until the models are warm and the partitions assigned.

        Args:
            stop: ends the waiting when true.

        Raises:
            UserError: the worker ended, or was not ready in time.
        """
        is_ready = self.wait_for(
            lambda: stop() or self._is_ready() or None, START_TIMEOUT_SECONDS, _POLL_SECONDS
        )
        if is_ready:
            return
        if not self.is_alive:
            raise UserError(f"the engine did not start: {self.last_lines()}")
        raise UserError(
            f"the engine was not ready within {START_TIMEOUT_SECONDS:.0f} s: see {self.log}"
        )

    def _is_ready(self) -> bool:
        if not self.metrics_url:
            address = re.search(r"metrics at (http://\S+)", self.output())
            self.metrics_url = address[1] if address else ""
            return False
        try:
            return scrape(self.metrics_url).sum("penstock_worker_ready") > 0
        except OSError:
            return False

    def leave(self) -> int:
        """Make the worker finish its work and leave the group; return its exit code."""
        return self.stop(STOP_TIMEOUT_SECONDS)


@contextmanager
def run_engine(pipeline: Path, log: Path, environment: Mapping[str, str]) -> Iterator[Engine]:
    """Run a worker for the length of a `with` block; kill it at the end if it still runs.

    Args:
        pipeline: the pipeline file.
        log: file for the worker's output; overwritten.
        environment: all environment variables of the worker.
    """
    log.unlink(missing_ok=True)
    command = [*PENSTOCK, "worker", "-c", str(pipeline)]
    with Engine(command, log, environment=environment) as engine:
        yield engine
