"""Looking at the run twice a second: scrape, hold the producers back if need be, show it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from agents.commands.demo.engine import Engine
from agents.commands.demo.listening import Listener
from agents.commands.demo.production import Production
from agents.commands.demo.rows import Window
from agents.commands.demo.scraping import Scrape, scrape
from agents.commands.demo.view import Snapshot, View
from streams.settings import PipelineSettings

_INTERVAL_SECONDS = 0.5


class Watch:
    """Sees to a running engine and its producers."""

    def __init__(
        self,
        settings: PipelineSettings,
        engine: Engine,
        production: Production,
        listener: Listener,
        view: View,
    ) -> None:
        self.last = Scrape()
        """The latest look at the engine's metrics."""
        self._settings, self._engine = settings, engine
        self._production, self._listener, self._view = production, listener, view
        self._window = Window()
        self._started = time.monotonic()

    def until(
        self, phase: str, seconds: float, is_done: Callable[[], bool], stop: threading.Event
    ) -> bool:
        """Look on until something is so.

        Args:
            phase: what is being waited for, in words.
            seconds: to wait at most.
            is_done: asked after each look.
            stop: ends the waiting once it is set.

        Returns:
            Whether it came to be so.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._look(phase)
            if is_done():
                return True
            left = deadline - time.monotonic()
            if left <= 0 or self._engine.exit_code is not None:
                return False
            if stop.wait(min(left, _INTERVAL_SECONDS)):
                return False

    def _look(self, phase: str) -> None:
        try:
            self.last = scrape(self._engine.metrics_url)
        except OSError:
            return  # it is gone, which `until` sees, or too busy: the next look will tell
        self._window.add(self.last)
        self._production.saw(self.last)
        agents = self._settings.agents
        self._view.show(
            Snapshot(
                phase=phase,
                seconds=time.monotonic() - self._started,
                rows=[self._window.row(name, agent) for name, agent in agents.items()],
                latest={
                    name: [*self._listener.latest[agent.output]] for name, agent in agents.items()
                },
            )
        )
