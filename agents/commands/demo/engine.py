"""The engine of a run: `penstock worker` in a child process, and the watch over it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agents.commands import PENSTOCK
from agents.commands.demo.metrics import Scrape, Window, scrape
from agents.commands.demo.production import Production
from agents.commands.demo.results import Listener
from agents.commands.demo.views import Snapshot, View
from agents.errors import UserError
from agents.process.child import ChildProcess
from streams.settings import PipelineSettings

#: Loading a sentence encoder takes seconds, and a minute on a busy machine.
START_TIMEOUT_SECONDS = 180.0
#: Longer than the worker's own `shutdown_timeout_seconds`.
STOP_TIMEOUT_SECONDS = 40.0
_POLL_SECONDS = 0.1
#: Between two scrapes while the run is watched.
_SCRAPE_SECONDS = 0.5


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


class Watch:
    """Scrapes the engine twice a second, holds the producers back and updates the view."""

    def __init__(
        self,
        settings: PipelineSettings,
        engine: Engine,
        production: Production,
        listener: Listener,
        view: View,
    ) -> None:
        self.last = Scrape()
        """The latest scrape of the engine's metrics."""
        self._settings, self._engine = settings, engine
        self._production, self._listener, self._view = production, listener, view
        self._window = Window()
        self._started = time.monotonic()

    def until(
        self,
        phase: str,
        seconds: float,
        is_done: Callable[[], bool] = lambda: False,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Watch until a condition holds, the time is up or the engine has ended.

        Args:
            phase: what the demo is doing, for the view.
            seconds: to wait at most.
            is_done: the condition, checked after each scrape.
            stop: ends the waiting when true.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._look(phase)
            left = deadline - time.monotonic()
            if is_done() or stop() or left <= 0 or not self._engine.is_alive:
                return
            time.sleep(min(left, _SCRAPE_SECONDS))

    def _look(self, phase: str) -> None:
        try:
            self.last = scrape(self._engine.metrics_url)
        except OSError:
            return  # ended, which `until` notices, or too busy: try again next time
        self._window.add(self.last)
        self._production.note_progress(self.last)
        agents, latest = self._settings.agents, self._listener.latest
        self._view.show(
            Snapshot(
                phase=phase,
                seconds=time.monotonic() - self._started,
                rows=[self._window.row(name, agent) for name, agent in agents.items()],
                latest={name: [*latest[agent.output]] for name, agent in agents.items()},
            )
        )
