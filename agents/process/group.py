"""Several workers on one machine as one: started, watched and stopped together.

Each is a process of its own and a member of the group, and knows its part of the machine by its
number (`agents/process/share.py`). Their starter only watches: it reads no records.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.process.signals import stop_on_signals

logger = logging.getLogger(__name__)

#: -P: a folder called `agents` where the user happens to be must not be taken for ours.
PENSTOCK = (sys.executable, "-P", "-c", "from agents.commands.main import main; main()")
_POLL_SECONDS = 0.1
#: How a process ends that was asked to: in order, or, before it had begun on anything, at once.
_IN_ORDER = (0, -signal.SIGTERM)
_LATE = 1


@dataclass(frozen=True)
class Process:
    """One of them."""

    name: str
    """In messages: `2/4`."""
    popen: subprocess.Popen[bytes]

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the number of the signal that ended it."""
        return self.popen.poll()


def run_together(commands: dict[str, Sequence[str]], stop_seconds: float) -> int:
    """Run commands until SIGTERM or Ctrl-C, or until one fails; then stop all in order.

    Must be called on the main thread.

    Args:
        commands: by name.
        stop_seconds: how long they may take to end once they are asked to, > 0.

    Returns:
        An exit code: 0 if all ended in order; that of the first that failed by itself; 1 if one
        had to be killed.
    """
    processes: list[Process] = []
    with stop_on_signals() as is_asked:
        try:
            for name, command in commands.items():
                processes.append(_start(name, command))
            failed = _watch(processes, is_asked)
            if failed is not None:
                logger.error("[%s] ended by itself with %s", failed.name, _in_words(failed))
            late = _stop(processes, stop_seconds)
            return _shell_code(failed) if failed else late
        finally:
            for process in processes:
                process.popen.kill()
                process.popen.communicate()


def _start(name: str, command: Sequence[str]) -> Process:
    # The pipe is its tether. A process group of its own: Ctrl-C in the terminal reaches the
    # starter alone, which passes it on once.
    return Process(name, subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0))


def _watch(processes: Sequence[Process], is_asked: Callable[[], bool]) -> Process | None:
    """Wait until a stop is asked for, all have ended, or one has failed; return that one."""
    running = list(processes)
    while running and not is_asked():
        time.sleep(_POLL_SECONDS)
        for process in [process for process in running if process.exit_code is not None]:
            if process.exit_code:
                return process
            running.remove(process)
            logger.warning("[%s] was asked to end; %d go on", process.name, len(running))
    return None


def _stop(processes: Sequence[Process], seconds: float) -> int:
    """Ask all to end and wait; return what their exit codes come to."""
    for process in processes:
        if process.exit_code is None:
            process.popen.terminate()
    deadline = time.monotonic() + seconds
    while any(p.exit_code is None for p in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for process in processes:
        if process.exit_code is None:
            logger.error("[%s] did not end within %g s and is killed", process.name, seconds)
            return _LATE
        if process.exit_code not in _IN_ORDER:
            logger.error("[%s] ended with %s", process.name, _in_words(process))
            return _shell_code(process)
    return 0


def _shell_code(process: Process) -> int:
    """Return the exit code as a shell would tell it: 128 and the signal's number."""
    code = process.exit_code or 0
    return 128 - code if code < 0 else code


def _in_words(process: Process) -> str:
    code = process.exit_code or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
