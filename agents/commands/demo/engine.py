"""The engine as a process of its own: `penstock worker`, that never outlives the demo."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agents.commands import PENSTOCK
from agents.commands.demo.errors import DemoError
from agents.commands.demo.scraping import scrape
from agents.process.child import ChildProcess

#: Loading a sentence encoder takes seconds, on a machine that is busy with other things a minute.
START_TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.1


class Engine(ChildProcess):
    """A running worker."""

    metrics_url = ""

    def wait_until_ready(self, stop: Callable[[], bool]) -> None:
        """Wait until models are warm and partitions assigned.

        Args:
            stop: asked now and then; true ends the waiting.

        Raises:
            DemoError: it ended, or was not ready in time.
        """
        is_ready = self.wait_for(
            lambda: stop() or self._is_ready() or None, START_TIMEOUT_SECONDS, _POLL_SECONDS
        )
        if is_ready:
            return
        if not self.is_alive:
            raise DemoError(f"the engine did not start: {self.last_lines()}")
        raise DemoError(
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


@contextmanager
def run_engine(pipeline: Path, log: Path, environment: Mapping[str, str]) -> Iterator[Engine]:
    """Run a worker for the length of a `with` block; kill it at the end if it still runs.

    Args:
        pipeline: its file.
        log: where its output goes; written anew.
        environment: of the process.
    """
    log.unlink(missing_ok=True)
    command = [*PENSTOCK, "worker", "-c", str(pipeline)]
    with Engine(command, log, environment=environment) as engine:
        yield engine
