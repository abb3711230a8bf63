"""Worker processes that can be killed, stopped, paused and joined by others."""

from __future__ import annotations

import signal
from pathlib import Path

from agents.commands import PENSTOCK
from agents.errors import UserError
from agents.process.child import ChildProcess

_START_SECONDS = 60.0


class WorkerProcess(ChildProcess):
    """One `penstock worker`."""

    def __init__(self, config: Path, log: Path) -> None:
        """Start it; returns at once."""
        super().__init__([*PENSTOCK, "worker", "-c", str(config)], log)

    def await_member(self) -> None:
        """Wait until the group has given it its partitions, which may be none.

        Raises:
            UserError: it ended, or was not ready in time.
        """
        if not self.wait_for(lambda: "holding " in self.output() or None, _START_SECONDS):
            raise UserError(f"a worker did not start: {self.last_lines()}")

    def pause(self) -> None:
        """Freeze it: for the worker no time passes."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)
