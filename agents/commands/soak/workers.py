"""Worker processes that can be killed, stopped, paused and joined by others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agents.commands.broker import tethered
from agents.errors import UserError

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


class WorkerProcess:
    """One `penstock worker`, tied to the life of the process that started it."""

    def __init__(self, config: Path, log: Path, environment: dict[str, str] | None = None) -> None:
        """Start it; returns at once."""
        self.log = log
        tether = [
            sys.executable,
            "-I",
            "-S",
            tethered.__file__,
            str(os.getpid()),
        ]
        command = [sys.executable, "-c", "from agents.commands.main import main; main()"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*tether, *command, "worker", "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def await_member(self) -> None:
        """Wait until it holds partitions, or has been told that there are none for it.

        Raises:
            UserError: it ended, or was not ready in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while "holding " not in self.log.read_text(errors="replace"):
            if not self.is_alive or time.monotonic() > deadline:
                raise UserError(f"a worker did not start: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-500:] or "it said nothing"

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit code, -9 if it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def pause(self) -> None:
        """Freeze it: it believes that no time passes."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)
