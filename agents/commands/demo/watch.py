"""Watch a run twice a second: scrape the engine, hold the producers back, update the view."""

from __future__ import annotations

import time
from collections.abc import Callable

from agents.commands.demo.engine import Engine
from agents.commands.demo.metrics import Scrape, Window, scrape
from agents.commands.demo.production import Production
from agents.commands.demo.results import Listener
from agents.commands.demo.views import Snapshot, View
from streams.settings import PipelineSettings

_INTERVAL_SECONDS = 0.5


class Watch:
    """Watches a running engine and its producers."""

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
            time.sleep(min(left, _INTERVAL_SECONDS))

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
