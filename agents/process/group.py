"""Run several worker processes as one: start, watch and stop them together.

Each process is a member of the consumer group, and its number gives its part of the machine
(`agents/process/share.py`). The parent only watches: it reads no records.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from agents.process.child import ChildProcess
from agents.process.exit import stop_on_signals

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
#: Exit codes of a process that ended in order; by SIGTERM if it had not begun any work.
_IN_ORDER = (0, -signal.SIGTERM)
_LATE = 1


def run_together(commands: Mapping[str, Sequence[str]], stop_seconds: float) -> int:
    """Run commands until SIGTERM or Ctrl-C, or until one fails; then stop all in order.

    Must be called on the main thread.

    Args:
        commands: by name.
        stop_seconds: how long they may take to end after SIGTERM, > 0.

    Returns:
        An exit code: 0 if all ended in order; the first failure's if one failed by itself; 1 if one
        had to be killed.
    """
    processes: dict[str, ChildProcess] = {}
    with stop_on_signals() as is_stopping:
        try:
            for name, command in commands.items():
                # SIGTERM: if this process is killed, its children finish their work all the same.
                processes[name] = ChildProcess(command, parent_signal=signal.SIGTERM)
            failed = _watch(processes, is_stopping)
            if failed is not None:
                logger.error(
                    "[%s] ended by itself with %s", failed, processes[failed].describe_end()
                )
            code = _stop(processes, stop_seconds)
            return _shell_code(processes[failed]) if failed else code
        finally:
            for process in processes.values():
                process.kill()


def _watch(processes: Mapping[str, ChildProcess], is_stopping: Callable[[], bool]) -> str | None:
    """Wait until a stop is requested, all have ended, or one has failed; return its name."""
    running = dict(processes)
    while running and not is_stopping():
        time.sleep(_POLL_SECONDS)
        for name, process in list(running.items()):
            code = process.exit_code
            if code:
                return name
            if code == 0:
                del running[name]
                logger.warning("[%s] has ended in order; %d go on", name, len(running))
    return None


def _stop(processes: Mapping[str, ChildProcess], seconds: float) -> int:
    """Ask all to end and wait; return one exit code for all."""
    for process in processes.values():
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(p.is_alive for p in processes.values()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for name, process in processes.items():
        code = process.exit_code
        if code is None:
            logger.error("[%s] did not end within %g s and is killed", name, seconds)
            return _LATE
        if code not in _IN_ORDER:
            logger.error("[%s] ended with %s", name, process.describe_end())
            return _shell_code(process)
    return 0


def _shell_code(process: ChildProcess) -> int:
    """Return the exit code as a shell would give it: 128 and the signal's number."""
    code = process.exit_code or 0
    return 128 - code if code < 0 else code
