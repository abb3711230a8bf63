"""Child processes: started, watched and stopped in one way; none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

from agents.process import exit_with_parent

T = TypeVar("T")

_POLL_SECONDS = 0.02
_NUM_LAST_LINES, _MAX_LAST_CHARACTERS = 3, 500


class ChildProcess:
    """A running command. As a context manager it kills the command at the end of the block.

    Start it from a thread that lives as long as the child should: Linux ties a child to the thread
    that started it, not to the whole process.

    Its process group is a new one: Ctrl-C in the terminal reaches the parent alone.
    """

    def __init__(
        self,
        command: Sequence[str],
        output: Path | int | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        parent_signal: signal.Signals = signal.SIGKILL,
        new_session: bool = False,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start the command and return at once.

        Args:
            command: program and arguments.
            output: a file that standard output and standard error are appended to; or a descriptor
                for standard output alone; None: both go where this process's own go.
            environment: all of the child's variables; None: those of this process.
            folder: where the child starts; None: where this process is.
            parent_signal: what the child gets when its parent is gone.
            new_session: whether the child leads a session, and not only a process group.
            pass_fds: descriptors that the child inherits.
        """
        self._log = log = output if isinstance(output, Path) else None
        self._log_start = log.stat().st_size if log and log.exists() else 0
        tie = [sys.executable, "-I", "-S", exit_with_parent.__file__]
        with ExitStack() as stack:
            file = stack.enter_context(log.open("ab")) if log else None
            self._popen = subprocess.Popen(
                [*tie, str(os.getpid()), str(int(parent_signal)), *command],
                stdin=subprocess.DEVNULL,
                stdout=file or (output if isinstance(output, int) else None),
                stderr=subprocess.STDOUT if file else None,
                env=None if environment is None else dict(environment),
                cwd=folder,
                process_group=None if new_session else 0,
                start_new_session=new_session,
                pass_fds=pass_fds,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def log(self) -> Path:
        """The file that its output goes to."""
        assert self._log is not None, "its output goes to no file"
        return self._log

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the number of the signal that ended it."""
        return self._popen.poll()

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.exit_code is None

    def describe_end(self) -> str:
        """Return how it ended: `signal 9` or `exit code 1`."""
        code = self.exit_code or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def output(self) -> str:
        """Return what it has written to its log so far."""
        return self.log.read_bytes()[self._log_start :].decode(errors="replace")

    def last_lines(self) -> str:
        """Return the end of its output, for messages."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        end = " | ".join(lines[-_NUM_LAST_LINES:])[-_MAX_LAST_CHARACTERS:]
        return end or "it printed nothing"

    def wait_for(
        self, find: Callable[[], T | None], seconds: float, poll_seconds: float = _POLL_SECONDS
    ) -> T | None:
        """Call `find` until it returns something, and return that.

        Returns:
            None if the child has ended (`is_alive` is false) or the time is up.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            was_alive = self.is_alive  # before the look: what it wrote last counts
            found = find()
            if found is not None or not was_alive:
                return found
            time.sleep(poll_seconds)
        return None

    def wait(self, seconds: float) -> int | None:
        """Wait until it ends and return its exit code; None if it still runs after the time."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; does nothing if it has ended."""
        if self.is_alive:
            self._popen.send_signal(number)

    def stop(self, seconds: float = 60.0) -> int:
        """Ask it to end (SIGTERM), kill it if it has not after the time; return its exit code."""
        self.send(signal.SIGTERM)
        code = self.wait(seconds)
        return self.kill() if code is None else code

    def kill(self) -> int:
        """End it at once (SIGKILL), as a power cut would; return its exit code."""
        self.send(signal.SIGKILL)
        return self._popen.wait()
